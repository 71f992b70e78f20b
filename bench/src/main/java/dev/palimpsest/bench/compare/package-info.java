/// The kernels beside those of other libraries in one process; `bench/compare` runs it.
///
/// All contestants of a measurement compute the same thing on the same operands and are checked against each other
/// first. They then take turns in a new order each round, with a pause before each turn so that waiting threads of the
/// one before have gone to sleep. Outputs are allocated beforehand wherever a library lets its caller do so.
@NullMarked
package dev.palimpsest.bench.compare;

import org.jspecify.annotations.NullMarked;
