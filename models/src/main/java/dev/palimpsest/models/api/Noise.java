package dev.palimpsest.models.api;

import dev.palimpsest.tensor.random.RandomSource;
import dev.palimpsest.tensor.random.TorchCpuRandom;
import dev.palimpsest.tensor.random.TorchCudaRandom;

/// Whose random numbers are drawn.
public enum Noise {
    /// Those of PyTorch's CPU generator.
    TORCH_CPU,
    /// Those of PyTorch on a CUDA device, which the originals use.
    TORCH_CUDA;

    /// A fresh generator.
    public RandomSource from(long seed) {
        return this == TORCH_CPU ? new TorchCpuRandom(seed) : new TorchCudaRandom(seed);
    }
}
