/// The provider that computes with the Java Vector API (JEP 338 and its successors), in parallel.
@NullMarked
package dev.palimpsest.kernels.vector;

import org.jspecify.annotations.NullMarked;
