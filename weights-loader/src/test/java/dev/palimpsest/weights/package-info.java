/// Tests of the checkpoint readers and the writer, mostly with files that the tests put together byte by byte.
@NullMarked
package dev.palimpsest.weights;

import org.jspecify.annotations.NullMarked;
