/// Random generators that give the numbers the original PyTorch runs drew.
///
/// An edit is reproducible only if its noise is. The models start from Gaussian noise drawn by one of two generators:
/// PyTorch's on the CPU (a Mersenne Twister, [dev.palimpsest.tensor.random.TorchCpuRandom]) or its on a CUDA device
/// (the counter-based Philox, [dev.palimpsest.tensor.random.TorchCudaRandom]). Samplers take either through
/// [dev.palimpsest.tensor.random.RandomSource]. Nothing here depends on tensors: the generators fill arrays and memory
/// segments.
@NullMarked
package dev.palimpsest.tensor.random;

import org.jspecify.annotations.NullMarked;
