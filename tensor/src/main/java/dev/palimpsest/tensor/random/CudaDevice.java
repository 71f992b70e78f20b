package dev.palimpsest.tensor.random;

/// The two sizes of a CUDA device that decide how PyTorch spreads random numbers over its threads.
///
/// A draw of more elements than the device has resident threads lets each thread produce several, and which thread
/// makes which element depends on the number of threads. So PyTorch's large random tensors differ between devices; up
/// to [#residentThreads()] elements they do not.
///
/// @param multiprocessors the number of streaming multiprocessors (`multiProcessorCount`)
/// @param threadsPerMultiprocessor the threads one of them holds at a time (`maxThreadsPerMultiProcessor`)
public record CudaDevice(int multiprocessors, int threadsPerMultiprocessor) {

    /// NVIDIA A100: 108 multiprocessors of 2048 threads.
    public static final CudaDevice A100 = new CudaDevice(108, 2048);

    /// NVIDIA H100 SXM and H200: 132 multiprocessors of 2048 threads.
    public static final CudaDevice H100 = new CudaDevice(132, 2048);

    /// NVIDIA V100: 80 multiprocessors of 2048 threads.
    public static final CudaDevice V100 = new CudaDevice(80, 2048);

    /// NVIDIA GeForce RTX 4090: 128 multiprocessors of 1536 threads.
    public static final CudaDevice RTX_4090 = new CudaDevice(128, 1536);

    /// Threads in a block of PyTorch's distribution kernels.
    static final int BLOCK_SIZE = 256;

    /// Checks that the device can hold a block of threads.
    ///
    /// @throws IllegalArgumentException if there is no multiprocessor, or one holds fewer than 256 threads
    public CudaDevice {
        if (multiprocessors < 1 || threadsPerMultiprocessor < BLOCK_SIZE) {
            throw new IllegalArgumentException("CUDA device: " + multiprocessors + " multiprocessors of "
                    + threadsPerMultiprocessor + " threads cannot hold a block of " + BLOCK_SIZE + " threads");
        }
    }

    /// The most threads a distribution kernel is launched with; whole blocks only.
    public long residentThreads() {
        return (long) multiprocessors * (threadsPerMultiprocessor / BLOCK_SIZE) * BLOCK_SIZE;
    }

    /// The threads a distribution kernel for `count` elements is launched with.
    long launchedThreads(long count) {
        long blocks = Math.ceilDiv(count, (long) BLOCK_SIZE);
        return Math.min(residentThreads(), blocks * BLOCK_SIZE);
    }
}
