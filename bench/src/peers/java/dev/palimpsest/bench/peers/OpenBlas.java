package dev.palimpsest.bench.peers;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.palimpsest.kernels.NdArray;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandleProxies;
import java.nio.file.Files;
import java.nio.file.Path;

/// The OpenBLAS that the JavaCPP presets package, called directly.
///
/// OpenBLAS picks its kernels when it is loaded, by a list of processors that the library knew when it was built; an
/// unknown one gets older kernels. The environment variable `OPENBLAS_CORETYPE` (`SkylakeX` for AVX-512) overrides the
/// choice, and [#core] says what it was: quote it with every number.
public final class OpenBlas {
    private static final String FOLDER = "/org/bytedeco/openblas/linux-x86_64/";
    private static final int ROW_MAJOR = 101;
    private static final int NO_TRANSPOSE = 111;
    private static final int TRANSPOSE = 112;

    private final Sgemm sgemm;
    private final SetThreads setThreads;
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

    /// `openblas_set_num_threads`.
    @FunctionalInterface
    public interface SetThreads {
        /// Sets it.
        void call(int threads);
    }

    /// `openblas_get_corename`.
    @FunctionalInterface
    public interface CoreName {
        /// Address of a string.
        MemorySegment call();
    }

    /// Unpacks and loads the library.
    ///
    /// @throws IllegalStateException if it is not packaged for this machine
    @SuppressWarnings("restricted")
    public OpenBlas() {
        SymbolLookup symbols = SymbolLookup.libraryLookup(unpack(), Arena.global());
        sgemm = function(
                symbols,
                "cblas_sgemm",
                Sgemm.class,
                FunctionDescriptor.ofVoid(
                        JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_FLOAT, ADDRESS, JAVA_INT, ADDRESS,
                        JAVA_INT, JAVA_FLOAT, ADDRESS, JAVA_INT));
        setThreads =
                function(symbols, "openblas_set_num_threads", SetThreads.class, FunctionDescriptor.ofVoid(JAVA_INT));
        CoreName name = function(symbols, "openblas_get_corename", CoreName.class, FunctionDescriptor.of(ADDRESS));
        core = name.call().reinterpret(64).getString(0);
    }

    @SuppressWarnings("restricted")
    private static <T> T function(SymbolLookup symbols, String name, Class<T> type, FunctionDescriptor descriptor) {
        MethodHandle handle = Linker.nativeLinker().downcallHandle(symbols.findOrThrow(name), descriptor);
        return MethodHandleProxies.asInterfaceInstance(type, handle);
    }

    /// The library and those it needs, which it looks for beside itself.
    private static Path unpack() {
        try {
            Path folder = Files.createTempDirectory("openblas");
            folder.toFile().deleteOnExit();
            for (String name : new String[] {
                "libopenblas.so.0", "libgfortran.so.5", "libquadmath.so.0", "libgcc_s.so.1"
            }) {
                Path file = folder.resolve(name);
                try (InputStream in = OpenBlas.class.getResourceAsStream(FOLDER + name)) {
                    if (in == null) {
                        throw new IllegalStateException("openblas: " + name + " is not packaged for this machine");
                    }
                    Files.copy(in, file);
                }
                file.toFile().deleteOnExit();
            }
            return folder.resolve("libopenblas.so.0");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// Name of the processor that the library took this one for.
    public String core() {
        return core;
    }

    /// Sets the number of threads of later calls.
    public void threads(int threads) {
        setThreads.call(threads);
    }

    /// `out = a weight^T` for dense f32 arrays `(m, k)`, `(n, k)` and `(m, n)`.
    public void linear(NdArray a, NdArray weight, NdArray out) {
        int m = a.dim(0);
        int k = a.dim(1);
        int n = weight.dim(0);
        sgemm.call(
                ROW_MAJOR, NO_TRANSPOSE, TRANSPOSE, m, n, k, 1f, a.memory(), k, weight.memory(), k, 0f, out.memory(), n);
    }
}
