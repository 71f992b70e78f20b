/// Layers of neural networks: modules with named parameters whose paths mirror checkpoint keys.
@NullMarked
package dev.palimpsest.tensor.nn;

import org.jspecify.annotations.NullMarked;
