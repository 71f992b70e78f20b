/// Checkpoint files: opening, checking, reading and writing.
@NullMarked
package dev.palimpsest.weights;

import org.jspecify.annotations.NullMarked;
