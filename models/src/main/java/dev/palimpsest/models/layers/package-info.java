/// How models take their layers from a checkpoint.
@NullMarked
package dev.palimpsest.models.layers;

import org.jspecify.annotations.NullMarked;
