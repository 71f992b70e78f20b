package dev.palimpsest.bench.peers;

import dev.palimpsest.bench.peers.NativeLibrary.Function;
import dev.palimpsest.kernels.Convolution;
import dev.palimpsest.kernels.NdArray;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/// ONNX Runtime through its C interface, a table of functions whose order never changes: models of one operation with
/// their weights inside, over memory of ours.
public final class OnnxRuntime {
    private static final int API_VERSION = 17;
    private static final int ERROR_MESSAGE = 2;
    private static final int CREATE_ENVIRONMENT = 3;
    private static final int CREATE_SESSION_FROM_ARRAY = 8;
    private static final int RUN = 9;
    private static final int CREATE_SESSION_OPTIONS = 10;
    private static final int SET_THREADS = 24;
    private static final int CREATE_TENSOR = 49;
    private static final int CREATE_CPU_MEMORY = 69;
    private static final int RELEASE_SESSION = 95;
    private static final int FUNCTIONS = 100;
    private static final int WARNING = 3;
    private static final int FLOAT = 1;

    private final MemorySegment api;
    private final Arena constants = Arena.global();
    private final long environment;
    private final long memory;
    private final Function run;
    private int threads = 1;

    /// Loads the library.
    ///
    /// @throws PeerUnavailableException if it is not there or cannot be loaded
    @SuppressWarnings("restricted")
    public OnnxRuntime() {
        NativeLibrary library = new NativeLibrary("ONNX Runtime", "ai/onnxruntime/native/linux-x64/libonnxruntime.so");
        long base = library.function("OrtGetApiBase").of();
        MemorySegment getApi = MemorySegment.ofAddress(base).reinterpret(8).get(ValueLayout.ADDRESS, 0);
        api = MemorySegment.ofAddress(NativeLibrary.function(getApi).of(API_VERSION))
                .reinterpret(8L * FUNCTIONS);
        environment = made(
                CREATE_ENVIRONMENT, WARNING, constants.allocateFrom("bench").address());
        memory = made(CREATE_CPU_MEMORY, 1, 0);
        run = function(RUN);
    }

    /// Sets the number of threads of sessions that are made from now on.
    public void threads(int n) {
        threads = n;
    }

    /// A loaded model with its input and output.
    public final class Session implements AutoCloseable {
        private final long session;
        private final long inputNames;
        private final long inputs;
        private final long outputNames;
        private final long outputs;

        private Session(Arena arena, byte[] model, NdArray x, NdArray y) {
            long options = made(CREATE_SESSION_OPTIONS);
            check(function(SET_THREADS).of(options, threads));
            try (Arena loading = Arena.ofConfined()) {
                MemorySegment bytes = loading.allocateFrom(ValueLayout.JAVA_BYTE, model);
                // what is made comes last here
                MemorySegment result = loading.allocate(8, 8);
                check(function(CREATE_SESSION_FROM_ARRAY)
                        .of(environment, bytes.address(), bytes.byteSize(), options, result.address()));
                session = result.get(ValueLayout.JAVA_LONG, 0);
            }
            inputNames = pointer(arena, arena.allocateFrom("x").address());
            inputs = pointer(arena, tensor(arena, x));
            outputNames = pointer(arena, arena.allocateFrom("y").address());
            outputs = pointer(arena, tensor(arena, y));
        }

        /// Computes the output.
        public void run() {
            check(run.of(session, 0, inputNames, inputs, 1, outputNames, 1, outputs));
        }

        @Override
        public void close() {
            function(RELEASE_SESSION).of(session);
        }
    }

    /// `out = a weight^T` for dense f32 arrays `(m, k)`, `(n, k)` and `(m, n)`.
    public Session linear(Arena arena, NdArray a, NdArray weight, NdArray out) {
        return new Session(arena, OnnxModel.linear(a, weight, out), a, out);
    }

    /// A planar convolution with channels outermost, the only layout that there is.
    ///
    /// @param x `(1, C, H, W)`, dense
    /// @param weight `(O, C, kH, kW)`, dense
    /// @param bias `(O)`
    /// @param out `(1, O, H', W')`, dense
    public Session convolution(Arena arena, Convolution op, NdArray x, NdArray weight, NdArray bias, NdArray out) {
        byte[] model = OnnxModel.convolution(x, weight, bias, out, new long[] {op.strideH(), op.strideW()}, new long[] {
            op.top(), op.left(), op.bottom(), op.right()
        });
        return new Session(arena, model, x, out);
    }

    private long tensor(Arena arena, NdArray x) {
        long[] dims = new long[x.rank()];
        for (int i = 0; i < dims.length; i++) {
            dims[i] = x.dim(i);
        }
        MemorySegment result = arena.allocate(8, 8);
        check(function(CREATE_TENSOR)
                .of(
                        memory,
                        x.memory().address(),
                        x.memory().byteSize(),
                        arena.allocateFrom(ValueLayout.JAVA_LONG, dims).address(),
                        dims.length,
                        FLOAT,
                        result.address()));
        return result.get(ValueLayout.JAVA_LONG, 0);
    }

    private static long pointer(Arena arena, long target) {
        return arena.allocateFrom(ValueLayout.JAVA_LONG, target).address();
    }

    /// Calls a function that writes what it makes through its last argument.
    private long made(int function, long... arguments) {
        MemorySegment result = constants.allocate(8, 8);
        long[] all = Arrays.copyOf(arguments, arguments.length + 1);
        all[arguments.length] = result.address();
        check(function(function).of(all));
        return result.get(ValueLayout.JAVA_LONG, 0);
    }

    private Function function(int index) {
        return NativeLibrary.function(api.getAtIndex(ValueLayout.ADDRESS, index));
    }

    @SuppressWarnings("restricted")
    private void check(long status) {
        if (status != 0) {
            long message = function(ERROR_MESSAGE).of(status);
            throw new PeerUnavailableException("ONNX Runtime: "
                    + MemorySegment.ofAddress(message).reinterpret(1 << 16).getString(0));
        }
    }
}
