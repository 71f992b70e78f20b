package dev.palimpsest.bench.peers;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.palimpsest.bench.peers.NativeLibrary.Function;
import dev.palimpsest.kernels.NdArray;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;

/// OpenBLAS.
///
/// It picks its kernels when it is loaded, by a list of processors that the library knew when it was built; an unknown
/// one gets older kernels. The environment variable `OPENBLAS_CORETYPE` (`SkylakeX` for AVX-512) overrides the choice,
/// and [#core] says what it was: quote it with every number.
public final class OpenBlas {
    private static final int ROW_MAJOR = 101;
    private static final int NO_TRANSPOSE = 111;
    private static final int TRANSPOSE = 112;

    private final Sgemm sgemm;
    private final Function setThreads;
    private final String core;

    /// `cblas_sgemm`.
    @FunctionalInterface
    public interface Sgemm {
        /// See the BLAS.
        void call(
                int order,
                int transposeA,
                int transposeB,
                int m,
                int n,
                int k,
                float alpha,
                MemorySegment a,
                int strideA,
                MemorySegment b,
                int strideB,
                float beta,
                MemorySegment c,
                int strideC);
    }

    /// Loads the library.
    ///
    /// @throws PeerUnavailableException if it is not there or cannot be loaded
    @SuppressWarnings("restricted")
    public OpenBlas() {
        NativeLibrary library = new NativeLibrary("OpenBLAS", "org/bytedeco/openblas/linux-x86_64/libopenblas.so.0");
        sgemm = NativeLibrary.proxy(
                Sgemm.class,
                library.symbol("cblas_sgemm"),
                FunctionDescriptor.ofVoid(
                        JAVA_INT,
                        JAVA_INT,
                        JAVA_INT,
                        JAVA_INT,
                        JAVA_INT,
                        JAVA_INT,
                        JAVA_FLOAT,
                        ADDRESS,
                        JAVA_INT,
                        ADDRESS,
                        JAVA_INT,
                        JAVA_FLOAT,
                        ADDRESS,
                        JAVA_INT));
        setThreads = library.function("openblas_set_num_threads");
        long name = library.function("openblas_get_corename").of();
        core = MemorySegment.ofAddress(name).reinterpret(64).getString(0);
    }

    /// Name of the processor that the library took this one for.
    public String core() {
        return core;
    }

    /// Sets the number of threads of later calls.
    public void threads(int threads) {
        setThreads.of(threads);
    }

    /// `out = a weight^T` for dense f32 arrays `(m, k)`, `(n, k)` and `(m, n)`.
    public void linear(NdArray a, NdArray weight, NdArray out) {
        int m = a.dim(0);
        int k = a.dim(1);
        int n = weight.dim(0);
        sgemm.call(
                ROW_MAJOR,
                NO_TRANSPOSE,
                TRANSPOSE,
                m,
                n,
                k,
                1f,
                a.memory(),
                k,
                weight.memory(),
                k,
                0f,
                out.memory(),
                n);
    }
}
