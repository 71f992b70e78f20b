/// Learning: the optimiser, clipping of gradients and learning-rate schedules.
@NullMarked
package dev.palimpsest.tensor.optim;

import org.jspecify.annotations.NullMarked;
