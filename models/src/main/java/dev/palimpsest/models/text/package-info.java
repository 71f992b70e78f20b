/// Tokenizers.
@NullMarked
package dev.palimpsest.models.text;

import org.jspecify.annotations.NullMarked;
