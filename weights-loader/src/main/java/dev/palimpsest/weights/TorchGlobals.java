package dev.palimpsest.weights;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.weights.PickleNode.DictNode;
import dev.palimpsest.weights.PickleNode.ListNode;
import dev.palimpsest.weights.PickleNode.TupleNode;
import dev.palimpsest.weights.PickleValue.Sequence.Kind;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The names that a pickle of tensors may use, and what they build. All other names are refused.
///
/// One instance serves one pickle and remembers the storages that it referred to.
final class TorchGlobals {
    /// A tensor that repeats its elements (a stride of 0) may have only so many, for a copy of it takes real memory.
    private static final long MOST_REPEATED = 1L << 28;

    /// Calls can make much of little, again and again; so there is a limit to what all of them together may make.
    private static final long MOST_BUILT_BYTES = 256L << 20;

    /// About as much as an object or an entry of a map takes.
    private static final long OBJECT_BYTES = 64;

    private static final Map<String, DType> STORAGES = Map.ofEntries(
            Map.entry("FloatStorage", DType.F32),
            Map.entry("DoubleStorage", DType.F64),
            Map.entry("HalfStorage", DType.F16),
            Map.entry("BFloat16Storage", DType.BF16),
            Map.entry("LongStorage", DType.I64),
            Map.entry("IntStorage", DType.I32),
            Map.entry("ShortStorage", DType.I16),
            Map.entry("CharStorage", DType.I8),
            Map.entry("ByteStorage", DType.U8),
            Map.entry("BoolStorage", DType.BOOL));

    private static final Map<String, DType> DTYPES = Map.ofEntries(
            Map.entry("float32", DType.F32),
            Map.entry("float64", DType.F64),
            Map.entry("float16", DType.F16),
            Map.entry("bfloat16", DType.BF16),
            Map.entry("float8_e4m3fn", DType.F8_E4M3),
            Map.entry("float8_e5m2", DType.F8_E5M2),
            Map.entry("int64", DType.I64),
            Map.entry("int32", DType.I32),
            Map.entry("int16", DType.I16),
            Map.entry("int8", DType.I8),
            Map.entry("uint64", DType.U64),
            Map.entry("uint32", DType.U32),
            Map.entry("uint16", DType.U16),
            Map.entry("uint8", DType.U8),
            Map.entry("bool", DType.BOOL));

    private final Map<String, TorchStorage.Key> storages = new LinkedHashMap<>();
    private long builtBytes;

    /// The name in the module `torch` of the storages of a type.
    ///
    /// @throws IllegalArgumentException if PyTorch has none
    static String storageType(DType dtype) {
        for (Map.Entry<String, DType> type : STORAGES.entrySet()) {
            if (type.getValue() == dtype) {
                return type.getKey();
            }
        }
        throw new IllegalArgumentException("PyTorch has no storages of " + dtype.label());
    }

    /// Something that a pickle named.
    sealed interface Global {}

    /// A function that may be called.
    enum Function implements Global {
        ORDERED_DICT("collections.OrderedDict"),
        REBUILD_TENSOR_V2("torch._utils._rebuild_tensor_v2"),
        REBUILD_TENSOR_V3("torch._utils._rebuild_tensor_v3"),
        REBUILD_PARAMETER("torch._utils._rebuild_parameter"),
        SIZE("torch.Size"),
        /// How protocol 2 writes bytes: as Latin-1 text that is to be encoded.
        ENCODE("_codecs.encode"),
        BYTES("builtins.bytes"),
        /// What Python 2 and protocol 2 call the same.
        BYTES_2("__builtin__.bytes");

        private final String path;

        Function(String path) {
            this.path = path;
        }
    }

    /// The class of a storage; an untyped one counts bytes.
    record StorageType(DType dtype, boolean typed) implements Global {}

    /// A reference to a storage, which is no value of its own.
    record StorageReference(TorchStorage.Key key, boolean typed) {}

    /// The storages that the pickle referred to, by name, in the order in which they came.
    Map<String, TorchStorage.Key> storages() {
        return storages;
    }

    /// What a name stands for: a [Global], or a [PickleValue.TypeName].
    Object find(String module, String name) {
        String path = module + "." + name;
        for (Function f : Function.values()) {
            if (f.path.equals(path)) {
                return f;
            }
        }
        if (path.equals("torch.storage.UntypedStorage") || path.equals("torch.UntypedStorage")) {
            return new StorageType(DType.U8, false);
        }
        if (module.equals("torch")) {
            DType storage = STORAGES.get(name);
            if (storage != null) {
                return new StorageType(storage, true);
            }
            if (DTYPES.containsKey(name)) {
                return new PickleValue.TypeName(path);
            }
        }
        throw new Refused("the pickle names " + CheckpointException.quote(path)
                + ", which is not one of the few constructors that a checkpoint needs; nothing was executed");
    }

    /// Builds an object.
    Object call(Global global, List<Object> arguments) {
        if (!(global instanceof Function function)) {
            throw new Refused("the pickle creates a storage without its tensor");
        }
        return switch (function) {
            case ORDERED_DICT -> orderedDict(arguments);
            case REBUILD_TENSOR_V2 -> tensor(function, arguments, 6, 7, null);
            case REBUILD_TENSOR_V3 ->
                tensor(function, arguments, 7, 8, arguments.size() < 7 ? null : dtype(arguments.get(6)));
            case REBUILD_PARAMETER -> parameter(arguments);
            case SIZE -> size(arguments);
            case ENCODE -> encode(arguments);
            case BYTES, BYTES_2 -> {
                require(arguments.isEmpty(), "bytes are created from something else than text");
                yield new PickleValue.Bytes(new byte[0]);
            }
        };
    }

    /// Puts an item into a dictionary.
    void put(DictNode dict, Object key, Object value) {
        if (!(key instanceof PickleValue scalar)
                || scalar instanceof PickleValue.Tensor
                || scalar instanceof PickleValue.TypeName) {
            throw new Refused("a key of a dictionary is neither text nor a number");
        }
        dict.entries().put(scalar, value);
    }

    /// The storage behind a persistent id: `("storage", type, key, location, number of elements)`, in legacy files
    /// with a further item for a view, which is always `None` since PyTorch 0.4. Where the elements were computed does
    /// not matter.
    StorageReference persistent(Object id) {
        if (!(id instanceof TupleNode(Kind kind, List<Object> items))
                || kind != Kind.TUPLE
                || items.size() < 5
                || items.size() > 6
                || !new PickleValue.Text("storage").equals(items.getFirst())
                || !(items.get(1) instanceof StorageType type)
                || !(items.get(2) instanceof PickleValue.Text(String name))
                || !(items.get(3) instanceof PickleValue.Text)
                || (items.size() == 6 && items.get(5) != PickleValue.None.NONE)) {
            throw new Refused("a reference to a storage is not of the known form");
        }
        long elements = integer(items.get(4), "the length of a storage");
        String quoted = CheckpointException.quote(name);
        require(
                !name.isEmpty() && name.length() <= 64 && name.chars().allMatch(TorchGlobals::isPlain),
                "the storage key " + quoted + " is not a plain name");
        require(elements >= 0, "storage " + quoted + " has the negative length " + elements);
        require(
                elements <= Long.MAX_VALUE / type.dtype().bytes(),
                "storage " + quoted + " claims " + elements + " elements, more than 63 bits can count in bytes");
        TorchStorage.Key key = new TorchStorage.Key(name, type.dtype(), elements);
        TorchStorage.Key other = storages.putIfAbsent(name, key);
        require(other == null || other.equals(key), "storage " + quoted + " is described in two different ways");
        return new StorageReference(other == null ? key : other, type.typed());
    }

    private static boolean isPlain(int c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-';
    }

    /// Arguments: storage, offset, size, stride, requires_grad, backward_hooks, then the type for v3, then metadata.
    private PickleValue.Tensor tensor(
            Function function, List<Object> arguments, int least, int most, @Nullable DType untyped) {
        require(
                arguments.size() >= least && arguments.size() <= most,
                function.path + " has " + arguments.size() + " arguments");
        if (!(arguments.getFirst() instanceof StorageReference(TorchStorage.Key storage, boolean typed))) {
            throw new Refused("a tensor has no storage");
        }
        require(typed == (untyped == null), "a tensor does not fit the type of its storage");
        DType dtype = untyped == null ? storage.dtype() : untyped;
        long elements = storage.bytes() / dtype.bytes();
        long offset = integer(arguments.get(1), "a tensor's offset");
        long[] dims = integers(arguments.get(2), "a tensor's size");
        long[] strides = integers(arguments.get(3), "a tensor's stride");
        String wrong = TensorInfo.fault(dtype, dims);
        require(wrong == null, "a tensor " + wrong);
        TensorInfo info = new TensorInfo(dtype, TensorInfo.shape(dims));
        require(
                strides.length == dims.length,
                "a tensor of shape " + info.shape() + " has " + strides.length + " strides");
        checkReach(info, storage, elements, offset, strides);
        charge(2 * OBJECT_BYTES + 16L * dims.length);
        return new PickleValue.Tensor(info, storage, offset, strides);
    }

    private static void checkReach(
            TensorInfo info, TorchStorage.Key storage, long elements, long offset, long[] strides) {
        String where = "a tensor of shape " + info.shape() + " in storage " + CheckpointException.quote(storage.name());
        require(offset >= 0 && offset <= elements, where + " begins at element " + offset + " of " + elements);
        BigInteger last = BigInteger.valueOf(offset);
        for (int i = 0; i < strides.length; i++) {
            require(strides[i] >= 0, where + " has the negative stride " + strides[i]);
            long steps = Math.max(info.shape().dim(i) - 1, 0);
            last = last.add(BigInteger.valueOf(strides[i]).multiply(BigInteger.valueOf(steps)));
        }
        require(last.bitLength() < 60, where + " has strides too large to count");
        require(
                info.shape().elements() == 0 || last.longValueExact() < elements,
                where + " reaches element " + last + ", but the storage has only " + elements);
        require(
                info.shape().elements() <= Math.max(elements, MOST_REPEATED),
                where + " repeats " + elements + " elements more often than makes sense");
    }

    private static PickleValue.Tensor parameter(List<Object> arguments) {
        if (arguments.size() != 3 || !(arguments.getFirst() instanceof PickleValue.Tensor tensor)) {
            throw new Refused("a parameter has no tensor");
        }
        return tensor;
    }

    private static DType dtype(Object value) {
        DType dtype = value instanceof PickleValue.TypeName(String name) && name.startsWith("torch.")
                ? DTYPES.get(name.substring("torch.".length()))
                : null;
        if (dtype == null) {
            throw new Refused("a tensor's type is not one of torch's");
        }
        return dtype;
    }

    private static TupleNode size(List<Object> arguments) {
        require(arguments.size() == 1, "torch.Size has " + arguments.size() + " arguments");
        integers(arguments.getFirst(), "a torch.Size");
        return new TupleNode(Kind.SIZE, items(arguments.getFirst()));
    }

    private PickleValue.Bytes encode(List<Object> arguments) {
        if (arguments.size() != 2
                || !(arguments.get(0) instanceof PickleValue.Text(String text))
                || !(arguments.get(1) instanceof PickleValue.Text(String codec))
                || !(codec.equals("latin1") || codec.equals("latin-1"))
                || text.chars().anyMatch(c -> c > 0xff)) {
            throw new Refused("_codecs.encode is used for something else than bytes");
        }
        charge(text.length());
        return new PickleValue.Bytes(text.getBytes(StandardCharsets.ISO_8859_1));
    }

    /// Python 3 creates it empty; Python 2 passes a list of pairs.
    private DictNode orderedDict(List<Object> arguments) {
        require(arguments.size() <= 1, "an OrderedDict has " + arguments.size() + " arguments");
        DictNode dict = new DictNode(true);
        if (!arguments.isEmpty()) {
            for (Object pair : items(arguments.getFirst())) {
                List<Object> keyAndValue = items(pair);
                require(keyAndValue.size() == 2, "an item of an OrderedDict is not a pair");
                charge(OBJECT_BYTES);
                put(dict, keyAndValue.get(0), keyAndValue.get(1));
            }
        }
        return dict;
    }

    private static List<Object> items(Object value) {
        return switch (value) {
            case ListNode list -> list.items();
            case TupleNode tuple -> tuple.items();
            default -> throw new Refused("a list or tuple is expected");
        };
    }

    private static long[] integers(Object value, String what) {
        if (!(value instanceof TupleNode tuple)) {
            throw new Refused(what + " is not a tuple");
        }
        // Bounded here, so that what follows may be linear in it for every tensor.
        require(tuple.items().size() <= TensorInfo.MAX_RANK, what + " has more than " + TensorInfo.MAX_RANK + " items");
        return tuple.items().stream().mapToLong(i -> integer(i, what)).toArray();
    }

    private static long integer(Object value, String what) {
        if (!(value instanceof PickleValue.Int(BigInteger number)) || number.bitLength() > 63) {
            throw new Refused(what + " is not an integer of 64 bits");
        }
        return number.longValue();
    }

    private void charge(long bytes) {
        builtBytes += bytes;
        require(builtBytes <= MOST_BUILT_BYTES, "the pickle builds more than " + MOST_BUILT_BYTES + " bytes by calls");
    }

    private static void require(boolean condition, String otherwise) {
        if (!condition) {
            throw new Refused(otherwise);
        }
    }
}
