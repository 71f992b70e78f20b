/// Diffusion by rectified flow and its relatives: noise schedules, timesteps, samplers and guidance.
@NullMarked
package dev.palimpsest.models.diffusion;

import org.jspecify.annotations.NullMarked;
