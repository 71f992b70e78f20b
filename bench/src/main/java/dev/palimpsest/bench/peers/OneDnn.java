package dev.palimpsest.bench.peers;

import dev.palimpsest.bench.peers.NativeLibrary.Function;
import dev.palimpsest.kernels.Convolution;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/// oneDNN through its C interface, with weights that are laid out once as it likes them best: like for like with packed
/// weights of ours.
///
/// The number of threads is fixed when a primitive is made.
public final class OneDnn {
    private static final int CPU = 1;
    private static final int FORWARD_INFERENCE = 96;
    private static final int CONVOLUTION_DIRECT = 1;
    private static final int TAG_ANY = 1;
    private static final int QUERY_SOURCE = 129;
    private static final int QUERY_WEIGHTS = 131;
    private static final int QUERY_DESTINATION = 133;
    private static final int SOURCE = 1;
    private static final int WEIGHTS = 33;
    private static final int BIAS = 41;
    private static final int DESTINATION = 17;

    private final NativeLibrary library = new NativeLibrary("oneDNN", "org/bytedeco/dnnl/linux-x86_64/libdnnl.so.3");
    private final Map<String, Function> functions = new HashMap<>();
    private final long engine;
    private final long stream;

    /// Loads the library.
    ///
    /// @throws PeerUnavailableException if it is not there or cannot be loaded
    public OneDnn() {
        engine = made("dnnl_engine_create", CPU, 0);
        stream = made("dnnl_stream_create", engine, 1);
    }

    /// Sets the number of threads of primitives that are made from now on.
    public void threads(int n) {
        function("omp_set_num_threads").of(n);
    }

    /// Something that can be computed again and again; its memory belongs to the arena it was made with, except for
    /// small descriptors, which live as long as the process.
    public final class Primitive {
        private final long primitive;
        private final long arguments;
        private final int count;

        private Primitive(Arena arena, long primitive, Map<Integer, Long> memories) {
            this.primitive = primitive;
            this.count = memories.size();
            MemorySegment list = arena.allocate(16L * count, 8);
            long at = 0;
            for (var entry : memories.entrySet()) {
                list.set(ValueLayout.JAVA_INT, at, entry.getKey());
                list.set(ValueLayout.JAVA_LONG, at + 8, entry.getValue());
                at += 16;
            }
            this.arguments = list.address();
        }

        /// Computes it.
        public void run() {
            check(function("dnnl_primitive_execute").of(primitive, stream, count, arguments), "dnnl_primitive_execute");
            check(function("dnnl_stream_wait").of(stream), "dnnl_stream_wait");
        }
    }

    /// `out = a weight^T`.
    ///
    /// @param a `(m, k)`, f32, bf16, or u8
    /// @param weight `(n, k)`, f32, bf16, or i8; laid out anew
    /// @param out `(m, n)`, f32, bf16, or i32
    public Primitive linear(Arena arena, NdArray a, NdArray weight, NdArray out) {
        NdArray b = weight.transpose(0, 1);
        long any = any(b);
        long descriptor = made("dnnl_matmul_primitive_desc_create", engine, described(a), any, 0, described(out), 0);
        return new Primitive(
                arena,
                made("dnnl_primitive_create", descriptor),
                Map.of(
                        SOURCE, memory(a, described(a)),
                        WEIGHTS, laidOut(arena, b, query(descriptor, QUERY_WEIGHTS)),
                        DESTINATION, memory(out, described(out))));
    }

    /// A planar convolution with channels innermost.
    ///
    /// @param x `(1, C, H, W)`
    /// @param weight `(O, C, kH, kW)`, laid out anew
    /// @param bias `(O)`
    /// @param out `(1, O, H', W')`
    public Primitive convolution(Arena arena, Convolution op, NdArray x, NdArray weight, NdArray bias, NdArray out) {
        long descriptor = made(
                "dnnl_convolution_forward_primitive_desc_create",
                engine,
                FORWARD_INFERENCE,
                CONVOLUTION_DIRECT,
                described(x),
                any(weight),
                described(bias),
                described(out),
                longs(arena, op.strideH(), op.strideW()),
                longs(arena, 0, 0),
                longs(arena, op.top(), op.left()),
                longs(arena, op.bottom(), op.right()),
                0);
        return new Primitive(
                arena,
                made("dnnl_primitive_create", descriptor),
                Map.of(
                        SOURCE, memory(x, query(descriptor, QUERY_SOURCE)),
                        WEIGHTS, laidOut(arena, weight, query(descriptor, QUERY_WEIGHTS)),
                        BIAS, memory(bias, described(bias)),
                        DESTINATION, memory(out, query(descriptor, QUERY_DESTINATION))));
    }

    private long laidOut(Arena arena, NdArray x, long wanted) {
        long bytes = function("dnnl_memory_desc_get_size").of(wanted);
        long target = made(
                "dnnl_memory_create", wanted, engine, arena.allocate(bytes, 64).address());
        long descriptor = made("dnnl_reorder_primitive_desc_create", described(x), engine, wanted, engine, 0);
        new Primitive(
                        arena,
                        made("dnnl_primitive_create", descriptor),
                        Map.of(SOURCE, memory(x, described(x)), DESTINATION, target))
                .run();
        return target;
    }

    private long query(long descriptor, int what) {
        return function("dnnl_primitive_desc_query_md").of(descriptor, what, 0);
    }

    private long memory(NdArray x, long descriptor) {
        return made(
                "dnnl_memory_create",
                descriptor,
                engine,
                x.memory().address() + x.offset() * x.dtype().bytes());
    }

    private long described(NdArray x) {
        try (Arena arena = Arena.ofConfined()) {
            return made(
                    "dnnl_memory_desc_create_with_strides",
                    x.rank(),
                    extents(arena, x),
                    type(x.dtype()),
                    longs(arena, x.strides()));
        }
    }

    private long any(NdArray x) {
        try (Arena arena = Arena.ofConfined()) {
            return made("dnnl_memory_desc_create_with_tag", x.rank(), extents(arena, x), type(x.dtype()), TAG_ANY);
        }
    }

    private static long extents(Arena arena, NdArray x) {
        return longs(arena, Arrays.stream(x.shape().dims()).mapToLong(i -> i).toArray());
    }

    private static int type(DType type) {
        return switch (type) {
            case BF16 -> 2;
            case F32 -> 3;
            case I32 -> 4;
            case I8 -> 5;
            case U8 -> 6;
            default -> throw new IllegalArgumentException("oneDNN: no " + type.label() + " here");
        };
    }

    private static long longs(Arena arena, long... values) {
        return arena.allocateFrom(ValueLayout.JAVA_LONG, values).address();
    }

    /// Calls a function that writes what it makes through its first argument.
    private long made(String function, long... arguments) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment result = arena.allocate(8, 8);
            long[] all = new long[arguments.length + 1];
            all[0] = result.address();
            System.arraycopy(arguments, 0, all, 1, arguments.length);
            check(function(function).of(all), function);
            return result.get(ValueLayout.JAVA_LONG, 0);
        }
    }

    private static void check(long status, String function) {
        if ((int) status != 0) {
            throw new PeerUnavailableException(
                    "oneDNN: " + function + " fails here with status " + (int) status + " (3 means unimplemented)");
        }
    }

    private Function function(String symbol) {
        return functions.computeIfAbsent(symbol, library::function);
    }
}
