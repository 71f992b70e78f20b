/// Random generators that reproduce the streams of PyTorch bit for bit.
@NullMarked
package dev.palimpsest.tensor.random;

import org.jspecify.annotations.NullMarked;
