/// Neural-network modules whose paths mirror the names in a checkpoint.
@NullMarked
package dev.palimpsest.tensor.nn;

import org.jspecify.annotations.NullMarked;
