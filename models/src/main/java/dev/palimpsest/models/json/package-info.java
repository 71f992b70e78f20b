/// A small view of JSON documents: model configurations and the settings inside golden files.
@NullMarked
package dev.palimpsest.models.json;

import org.jspecify.annotations.NullMarked;
