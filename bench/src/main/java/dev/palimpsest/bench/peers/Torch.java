package dev.palimpsest.bench.peers;

import dev.palimpsest.bench.peers.NativeLibrary.Function;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The official libtorch for processors, called directly: no Java binding, no copies, outputs that can be allocated
/// beforehand.
///
/// Tensors over memory of ours come from its C interface (`aoti_torch_...`). Ops are those of `at::_ops`, one C++
/// function for each entry of PyTorch's operator list, behind which dispatch, autograd, and kernels are what a Python
/// program gets. Their names are those of this version's binary interface. They throw on misuse, which ends the
/// process:
/// shapes must be right.
///
/// Everything made between [#scope] and its end is released then. An instance belongs to the thread that made it.
public final class Torch {
    private static final long SCALAR_BYTES = 32;
    private static final int HOLDER = 8;

    private final NativeLibrary library = new NativeLibrary("libtorch", "pytorch/cpu/linux-x86_64/libtorch_cpu.so");
    private final Map<String, Function> functions = new HashMap<>();
    private final Function allocate = library.function("_Znwm");
    private final Function delete = library.function("aoti_torch_delete_tensor_object");
    private final Function fromBlob = library.function("aoti_torch_create_tensor_from_blob");
    private final Function dataPointer = library.function("aoti_torch_get_data_ptr");
    private final Function size = library.function("aoti_torch_get_size");
    private final Function elements = library.function("aoti_torch_get_numel");
    private final Arena constants = Arena.global();
    private final MemorySegment scratch = constants.allocate(4096, 64);
    private final MemorySegment nothing = constants.allocate(64, 64);
    private final MemorySegment one = scalar(1);
    private List<Value> alive = new ArrayList<>();

    /// Loads the library; inference only until [#gradients] is called.
    ///
    /// @throws PeerUnavailableException if it is not there or cannot be loaded
    public Torch() {
        gradients(false);
    }

    /// A tensor of libtorch.
    public static final class Value {
        private final long handle;

        private Value(long handle) {
            this.handle = handle;
        }
    }

    /// Sets the number of threads of later calls.
    public void threads(int n) {
        function("_ZN2at15set_num_threadsEi").of(n);
    }

    /// Whether later ops are recorded for [#gradient].
    public void gradients(boolean on) {
        function("aoti_torch_grad_mode_set_enabled").of(on ? 1 : 0);
    }

    /// Runs something and releases the tensors that it made.
    public void scope(Runnable body) {
        List<Value> outer = alive;
        alive = new ArrayList<>();
        try {
            body.run();
        } finally {
            alive.forEach(v -> delete.of(v.handle));
            alive = outer;
        }
    }

    // ---- tensors

    /// A tensor over the memory of an array, with its strides, which no scope releases.
    public Value lasting(NdArray x) {
        Value v = of(x);
        alive.removeLast();
        return v;
    }

    /// A tensor over the memory of an array, with its strides.
    public Value of(NdArray x) {
        long[] sizes = new long[x.rank()];
        long[] strides = new long[x.rank()];
        for (int i = 0; i < sizes.length; i++) {
            sizes[i] = x.dim(i);
            strides[i] = x.stride(i);
        }
        int type = switch (x.dtype()) {
            case F32 -> 6;
            case BF16 -> 15;
            case I64 -> 4;
            case I8 -> 1;
            case U8 -> 0;
            default ->
                throw new IllegalArgumentException(
                        "libtorch: no tensors of type " + x.dtype().label() + " here");
        };
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment result = arena.allocate(8);
            check(fromBlob.of(
                    x.memory().address() + x.offset() * x.dtype().bytes(),
                    sizes.length,
                    longs(arena, sizes),
                    longs(arena, strides),
                    0,
                    type,
                    0,
                    0,
                    result.address()));
            return keep(new Value(result.get(ValueLayout.JAVA_LONG, 0)));
        }
    }

    /// Extent of an axis.
    public long extent(Value x, int axis) {
        check(size.of(x.handle, axis, scratch.address()));
        return scratch.get(ValueLayout.JAVA_LONG, 0);
    }

    /// The numbers of a dense f32 tensor, valid until the tensor is released.
    @SuppressWarnings("restricted")
    public MemorySegment data(Value x) {
        check(elements.of(x.handle, scratch.address()));
        long n = scratch.get(ValueLayout.JAVA_LONG, 0);
        check(dataPointer.of(x.handle, scratch.address()));
        return MemorySegment.ofAddress(scratch.get(ValueLayout.JAVA_LONG, 0)).reinterpret(4 * n);
    }

    private void check(long code) {
        if ((int) code != 0) {
            throw new IllegalStateException("libtorch: the call failed, see the message above");
        }
    }

    private Value keep(Value v) {
        alive.add(v);
        return v;
    }

    // ---- ops with outputs allocated beforehand

    /// `out = x w^T + b`.
    public void linear(Value x, Value weight, @Nullable Value bias, Value out) {
        function("_ZN2at4_ops10linear_out4callERKNS_6TensorES4_RKSt8optionalIS2_ERS2_")
                .of(x.handle, weight.handle, optional(bias, 0), out.handle);
    }

    /// `out = a b`.
    public void matmul(Value a, Value b, Value out) {
        function("_ZN2at4_ops10matmul_out4callERKNS_6TensorES4_RS2_").of(a.handle, b.handle, out.handle);
    }

    /// Exponential function.
    public void exp(Value x, Value out) {
        function("_ZN2at4_ops7exp_out4callERKNS_6TensorERS2_").of(x.handle, out.handle);
    }

    /// `x sigmoid(x)`.
    public void silu(Value x, Value out) {
        function("_ZN2at4_ops8silu_out4callERKNS_6TensorERS2_").of(x.handle, out.handle);
    }

    /// GELU with the error function, or its tanh form.
    public void gelu(Value x, boolean tanh, Value out) {
        MemorySegment name = tanh ? TANH : NONE;
        function("_ZN2at4_ops8gelu_out4callERKNS_6TensorESt17basic_string_viewIcSt11char_traitsIcEERS2_")
                .of(x.handle, name.byteSize() - 1, name.address(), out.handle);
    }

    private static final MemorySegment TANH = Arena.global().allocateFrom("tanh");
    private static final MemorySegment NONE = Arena.global().allocateFrom("none");

    /// Softmax along the last axis.
    public void softmax(Value x, Value out) {
        function("_ZN2at4_ops12_softmax_out4callERKNS_6TensorElbRS2_").of(x.handle, -1, 0, out.handle);
    }

    // ---- ops that make their result

    private Value make(String symbol, long... arguments) {
        return make(0, 0, symbol, arguments);
    }

    private Value make(double x, double y, String symbol, long... arguments) {
        long holder = allocate.of(HOLDER);
        long[] all = new long[16];
        all[0] = holder;
        System.arraycopy(arguments, 0, all, 1, arguments.length);
        function(symbol).with(x, y, all);
        return keep(new Value(holder));
    }

    /// `x w^T + b`.
    public Value linear(Value x, Value weight, @Nullable Value bias) {
        return make(
                "_ZN2at4_ops6linear4callERKNS_6TensorES4_RKSt8optionalIS2_E",
                x.handle,
                weight.handle,
                optional(bias, 0));
    }

    /// Sum.
    public Value add(Value a, Value b) {
        return make("_ZN2at4_ops10add_Tensor4callERKNS_6TensorES4_RKN3c106ScalarE", a.handle, b.handle, one.address());
    }

    /// Product of elements.
    public Value mul(Value a, Value b) {
        return make("_ZN2at4_ops10mul_Tensor4callERKNS_6TensorES4_", a.handle, b.handle);
    }

    /// `x sigmoid(x)`.
    public Value silu(Value x) {
        return make("_ZN2at4_ops4silu4callERKNS_6TensorE", x.handle);
    }

    /// GELU in its tanh form.
    public Value geluTanh(Value x) {
        return make(
                "_ZN2at4_ops4gelu4callERKNS_6TensorESt17basic_string_viewIcSt11char_traitsIcEE",
                x.handle,
                4,
                TANH.address());
    }

    /// Layer normalisation along the last axis.
    public Value layerNorm(Value x, long width, @Nullable Value weight, @Nullable Value bias, double eps) {
        return make(
                eps,
                0,
                "_ZN2at4_ops10layer_norm4callERKNS_6TensorEN3c108ArrayRefINS5_6SymIntEEERKSt8optionalIS2_ESC_db",
                x.handle,
                list(2, width),
                1,
                optional(weight, 0),
                optional(bias, 1),
                0);
    }

    /// Root-mean-square normalisation along the last axis.
    public Value rmsNorm(Value x, long width, @Nullable Value weight, double eps) {
        return make(
                eps,
                0,
                "_ZN2at4_ops8rms_norm4callERKNS_6TensorEN3c108ArrayRefINS5_6SymIntEEERKSt8optionalIS2_ES9_IdE",
                x.handle,
                list(2, width),
                1,
                optional(weight, 0),
                1);
    }

    /// Group normalisation.
    public Value groupNorm(Value x, long groups, Value weight, Value bias, double eps) {
        return make(
                eps,
                0,
                "_ZN2at4_ops10group_norm4callERKNS_6TensorElRKSt8optionalIS2_ES8_db",
                x.handle,
                groups,
                optional(weight, 0),
                optional(bias, 1),
                0);
    }

    /// Convolution over the axes behind the first two.
    public Value convolution(Value x, Value weight, @Nullable Value bias, long[] stride, long[] padding) {
        long[] dilation = new long[stride.length];
        Arrays.fill(dilation, 1);
        return make(
                "_ZN2at4_ops11convolution4callERKNS_6TensorES4_RKSt8optionalIS2_EN3c108ArrayRefINS9_6SymIntEEESC_SC_bSC_SB_",
                x.handle,
                weight.handle,
                optional(bias, 0),
                list(2, stride),
                stride.length,
                list(3, padding),
                padding.length,
                list(4, dilation),
                dilation.length,
                0,
                list(5, new long[stride.length]),
                stride.length,
                list(6, 1));
    }

    /// Scaled dot-product attention.
    ///
    /// @param q `(batch, heads, Lq, headDim)`
    /// @param k `(batch, heads, Lk, headDim)`
    /// @param v `(batch, heads, Lk, headDim)`
    /// @param mask added to the scores, or bool
    public Value attention(Value q, Value k, Value v, @Nullable Value mask, boolean causal, double scale) {
        // the pair of the scale and whether there is one no longer fits the registers, so it lies on the stack as a
        // whole
        return make(
                "_ZN2at4_ops28scaled_dot_product_attention4callERKNS_6TensorES4_S4_RKSt8optionalIS2_EdbS5_IdEb",
                q.handle,
                k.handle,
                v.handle,
                optional(mask, 0),
                causal ? 1 : 0,
                Double.doubleToRawLongBits(scale),
                1,
                0);
    }

    /// The same numbers in another shape.
    public Value reshape(Value x, long... shape) {
        return make(
                "_ZN2at4_ops7reshape4callERKNS_6TensorEN3c108ArrayRefINS5_6SymIntEEE",
                x.handle,
                list(2, shape),
                shape.length);
    }

    /// Axes in another order.
    public Value permute(Value x, long... axes) {
        return make("_ZN2at4_ops7permute4callERKNS_6TensorEN3c108ArrayRefIlEE", x.handle, list(2, axes), axes.length);
    }

    /// One place along an axis, which goes away.
    public Value select(Value x, long axis, long place) {
        return make("_ZN2at4_ops10select_int4callERKNS_6TensorElN3c106SymIntE", x.handle, axis, list(2, place));
    }

    /// Places `from` to `to` along an axis.
    public Value slice(Value x, long axis, long from, long to) {
        return make(
                "_ZN2at4_ops12slice_Tensor4callERKNS_6TensorElSt8optionalIN3c106SymIntEES8_S7_",
                x.handle,
                axis,
                list(2, from, 1),
                list(3, to, 1),
                list(4, 1));
    }

    /// The values with each pixel twice in both directions.
    ///
    /// @param x `(N, C, H, W)`
    /// @param height of the result
    /// @param width of the result
    public Value upsampleNearest(Value x, long height, long width) {
        return make(
                "_ZN2at4_ops18upsample_nearest2d4callERKNS_6TensorEN3c108ArrayRefINS5_6SymIntEEESt8optionalIdESA_",
                x.handle,
                list(2, height, width),
                2,
                0,
                0);
    }

    /// Converted to bf16 or f32.
    public Value to(Value x, DType type) {
        return make(
                "_ZN2at4_ops8to_dtype4callERKNS_6TensorEN3c1010ScalarTypeEbbSt8optionalINS5_12MemoryFormatEE",
                x.handle,
                type == DType.BF16 ? 15 : 6,
                0,
                0,
                0);
    }

    /// Sum of all elements.
    public Value sum(Value x) {
        return make("_ZN2at4_ops3sum4callERKNS_6TensorESt8optionalIN3c1010ScalarTypeEE", x.handle, 0);
    }

    /// One more axis, of extent 1.
    public Value unsqueeze(Value x, long axis) {
        return make("_ZN2at4_ops9unsqueeze4callERKNS_6TensorEl", x.handle, axis);
    }

    /// Tensors behind each other along an axis.
    public Value cat(long axis, Value... parts) {
        try (Arena arena = Arena.ofConfined()) {
            long[] handles = Arrays.stream(parts).mapToLong(v -> v.handle).toArray();
            MemorySegment result = arena.allocate(8, 8);
            check(function("aoti_torch_cpu_cat").of(longs(arena, handles), handles.length, axis, result.address()));
            return keep(new Value(result.get(ValueLayout.JAVA_LONG, 0)));
        }
    }

    /// Pairs of real numbers in the last axis as complex numbers.
    public Value complex(Value pairs) {
        return make("_ZN2at4_ops15view_as_complex4callERKNS_6TensorE", pairs.handle);
    }

    /// Undoes [#complex].
    public Value real(Value complex) {
        return make("_ZN2at4_ops12view_as_real4callERKNS_6TensorE", complex.handle);
    }

    // ---- gradients

    /// Asks for the gradient of a leaf.
    public void requireGradient(Value x) {
        function("_ZN2at4_ops14requires_grad_4callERNS_6TensorEb").of(x.handle, 1);
    }

    /// Gradients of a scalar with regard to some leaves.
    public List<Value> gradient(Value scalar, List<Value> leaves) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment outputs = vector(arena, List.of(scalar));
            MemorySegment inputs = vector(arena, leaves);
            MemorySegment none = arena.allocate(24);
            MemorySegment result = arena.allocate(24);
            function("_ZN5torch8autograd4gradERKSt6vectorIN2at6TensorESaIS3_EES7_S7_St8optionalIbEbb")
                    .of(result.address(), outputs.address(), inputs.address(), none.address(), 0, 0, 0);
            long first = result.get(ValueLayout.JAVA_LONG, 0);
            List<Value> gradients = new ArrayList<>();
            for (int i = 0; i < leaves.size(); i++) {
                // each element is moved into a holder of its own; the vector's storage is then plain memory
                long holder = allocate.of(HOLDER);
                segment(holder).copyFrom(segment(first + (long) HOLDER * i));
                gradients.add(keep(new Value(holder)));
            }
            function("_ZdlPv").of(first);
            return gradients;
        }
    }

    private MemorySegment vector(Arena arena, List<Value> values) {
        MemorySegment data = arena.allocate((long) HOLDER * values.size(), HOLDER);
        for (int i = 0; i < values.size(); i++) {
            data.asSlice((long) HOLDER * i, HOLDER).copyFrom(segment(values.get(i).handle));
        }
        MemorySegment vector = arena.allocate(24, 8);
        vector.setAtIndex(ValueLayout.JAVA_LONG, 0, data.address());
        vector.setAtIndex(ValueLayout.JAVA_LONG, 1, data.address() + data.byteSize());
        vector.setAtIndex(ValueLayout.JAVA_LONG, 2, data.address() + data.byteSize());
        return vector;
    }

    @SuppressWarnings("restricted")
    private static MemorySegment segment(long holder) {
        return MemorySegment.ofAddress(holder).reinterpret(HOLDER);
    }

    // ---- arguments

    private Function function(String symbol) {
        return functions.computeIfAbsent(symbol, library::function);
    }

    /// A `c10::Scalar`: its tag, 1 for whole numbers, and at the next multiple of 16 the number.
    private MemorySegment scalar(long value) {
        MemorySegment s = constants.allocate(SCALAR_BYTES, 16);
        s.set(ValueLayout.JAVA_INT, 0, 1);
        s.set(ValueLayout.JAVA_LONG, 16, value);
        return s;
    }

    /// A `std::optional<at::Tensor>` in a slot of the scratch memory: the holder's content, which is only borrowed, and
    /// whether there is one.
    private long optional(@Nullable Value x, int slot) {
        if (x == null) {
            return nothing.address();
        }
        MemorySegment at = scratch.asSlice(64L + 16L * slot, 16);
        at.asSlice(0, HOLDER).copyFrom(segment(x.handle));
        at.set(ValueLayout.JAVA_LONG, 8, 1);
        return at.address();
    }

    private long list(int slot, long... values) {
        MemorySegment at = scratch.asSlice(128L * slot, 128);
        for (int i = 0; i < values.length; i++) {
            at.setAtIndex(ValueLayout.JAVA_LONG, i, values[i]);
        }
        return at.address();
    }

    private static long longs(Arena arena, long[] values) {
        return arena.allocateFrom(ValueLayout.JAVA_LONG, values).address();
    }
}
