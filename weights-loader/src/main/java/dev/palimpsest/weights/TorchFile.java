package dev.palimpsest.weights;

import dev.palimpsest.kernels.NdArray;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// A file of `torch.save`: a zip archive with a pickle and one record per storage, or the format before it (PyTorch
/// 1.5 and older) in which the storages follow the pickle.
///
/// Tensors may lie anywhere in dictionaries, lists and tuples. A tensor's name is the path to it with dots between
/// keys and positions: `trainer.gpt.blocks.0.weight`, `optimizer.state.3.exp_avg`. A file that holds nothing but one
/// tensor calls it `tensor`. Other data is available as [#root].
///
/// Tensors are views of the mapped file with the strides that were saved, and several may share memory. Records that
/// someone compressed, which PyTorch never does, are unpacked when first used, up to [#LARGEST_UNPACKED] bytes in all.
/// The checksum of a record of up to 1 MiB is compared when it is first used, those of larger records by [#verify]
/// alone.
///
/// The pickle is read by a machine that knows a handful of constructors and executes nothing; a file that names
/// anything else is refused.
public final class TorchFile implements Checkpoint {
    /// How much may be unpacked from compressed records, in bytes: 1 GiB.
    public static final long LARGEST_UNPACKED = 1L << 30;

    private static final String PICKLE = "/data.pkl";
    private static final long LARGEST_PICKLE = 64L << 20;

    /// What a legacy file begins with, as a number: the bytes below.
    private static final BigInteger LEGACY_MAGIC = new BigInteger("1950a86a20f9469cfc6c", 16);

    private static final byte[] LEGACY_MAGIC_BYTES = {
        0x6c, (byte) 0xfc, (byte) 0x9c, 0x46, (byte) 0xf9, 0x20, 0x6a, (byte) 0xa8, 0x50, 0x19
    };
    private static final BigInteger LEGACY_VERSION = BigInteger.valueOf(1001);

    private final MappedFile file;
    private final @Nullable ZipDirectory zip;
    private final PickleTree.Result tree;
    private final IdentityHashMap<TorchStorage.Key, TorchStorage> storages;

    private TorchFile(
            MappedFile file,
            @Nullable ZipDirectory zip,
            PickleTree.Result tree,
            IdentityHashMap<TorchStorage.Key, TorchStorage> storages) {
        this.file = file;
        this.zip = zip;
        this.tree = tree;
        this.storages = storages;
    }

    /// Whether a file begins as a zip archive.
    static boolean isZip(MappedFile file) {
        return file.size() >= 4 && (file.i32(0) == 0x04034b50 || file.i32(0) == 0x06054b50);
    }

    /// Whether a file begins with the pickled magic number of the older format.
    static boolean isLegacy(MappedFile file) {
        byte[] start = file.bytes(0, (int) Math.min(file.size(), 64));
        if (new String(start, StandardCharsets.US_ASCII).startsWith("L" + LEGACY_MAGIC + "L\n")) {
            return true;
        }
        for (int i = 1; start[0] == (byte) 0x80 && i + LEGACY_MAGIC_BYTES.length <= start.length; i++) {
            if (Arrays.equals(
                    start, i, i + LEGACY_MAGIC_BYTES.length, LEGACY_MAGIC_BYTES, 0, LEGACY_MAGIC_BYTES.length)) {
                return true;
            }
        }
        return false;
    }

    /// Reads the directory and the pickle of a zip archive, which the result then owns.
    static TorchFile readZip(MappedFile file) {
        ZipDirectory zip = ZipDirectory.read(file);
        ZipDirectory.Entry pickle = findPickle(file, zip);
        String folder = pickle.name().substring(0, pickle.name().length() - PICKLE.length() + 1);
        checkByteOrder(zip, folder);
        if (pickle.size() > LARGEST_PICKLE) {
            throw zip.fault(pickle, "has " + pickle.size() + " bytes, too many for the description of tensors");
        }
        TorchGlobals globals = new TorchGlobals();
        ByteCursor cursor =
                new ByteCursor(file, zip.content(pickle), pickle.deflated() ? -1 : pickle.begin(), "data.pkl");
        PickleTree.Result tree = PickleTree.of(file, PickleMachine.load(cursor, globals));

        IdentityHashMap<TorchStorage.Key, TorchStorage> storages = new IdentityHashMap<>();
        long unpacked = 0;
        for (TorchStorage.Key key : globals.storages().values()) {
            ZipDirectory.Entry record = zip.find(folder + "data/" + key.name());
            if (record == null) {
                throw file.broken(
                        -1, "lacks the zip record " + CheckpointException.quote(folder + "data/" + key.name()));
            }
            if (record.size() < key.bytes()) {
                throw zip.fault(
                        record,
                        "has " + record.size() + " bytes, but its storage of " + key.elements() + " "
                                + key.dtype().label() + " elements needs " + key.bytes());
            }
            unpacked += record.deflated() ? record.size() : 0;
            if (unpacked > LARGEST_UNPACKED) {
                throw zip.fault(
                        record,
                        "is compressed, and more than " + LARGEST_UNPACKED
                                + " bytes would have to be unpacked; repack the archive without compression");
            }
            storages.put(key, new TorchStorage(() -> zip.content(record)));
        }
        return new TorchFile(file, zip, tree, storages);
    }

    private static ZipDirectory.Entry findPickle(MappedFile file, ZipDirectory zip) {
        List<ZipDirectory.Entry> found = zip.records().stream()
                .filter(r -> r.name().endsWith(PICKLE)
                        && r.name().indexOf('/') == r.name().length() - PICKLE.length())
                .toList();
        if (found.size() != 1) {
            throw file.broken(
                    -1,
                    found.isEmpty()
                            ? "is a zip archive without data.pkl, so it is not a PyTorch file"
                            : "is a zip archive with several files data.pkl");
        }
        return found.getFirst();
    }

    private static void checkByteOrder(ZipDirectory zip, String folder) {
        ZipDirectory.Entry record = zip.find(folder + "byteorder");
        if (record != null
                && (record.size() > 16
                        || !new String(zip.content(record).toArray(ValueLayout.JAVA_BYTE), StandardCharsets.US_ASCII)
                                .equals("little"))) {
            throw zip.fault(record, "says that the file was written on a big-endian machine, which is not supported");
        }
    }

    /// Reads the pickles of a legacy file, which the result then owns: magic number, version, system, data, names of
    /// the storages. Each storage follows as its number of elements and its bytes.
    static TorchFile readLegacy(MappedFile file) {
        ByteCursor cursor = new ByteCursor(file, file.slice(0, file.size()), 0, "legacy PyTorch file");
        TorchGlobals globals = new TorchGlobals();
        requireInt(cursor, LEGACY_MAGIC, "magic number");
        requireInt(cursor, LEGACY_VERSION, "version");
        if (PickleTree.of(file, PickleMachine.load(cursor, globals)).root() instanceof PickleValue.Dict system
                && new PickleValue.Bool(false).equals(system.entries().get(new PickleValue.Text("little_endian")))) {
            throw file.broken(-1, "was written on a big-endian machine, which is not supported");
        }
        PickleTree.Result tree = PickleTree.of(file, PickleMachine.load(cursor, globals));
        long namesAt = cursor.position();
        if (!(PickleTree.of(file, PickleMachine.load(cursor, new TorchGlobals()))
                        .root()
                instanceof PickleValue.Sequence names)) {
            throw cursor.fault(namesAt, "the names of the storages are not a list");
        }

        IdentityHashMap<TorchStorage.Key, TorchStorage> storages = new IdentityHashMap<>();
        for (PickleValue item : names.items()) {
            String name = item.toString();
            TorchStorage.Key key = globals.storages().get(name);
            if (key == null) {
                throw cursor.fault(namesAt, "storage " + CheckpointException.quote(name) + " belongs to no tensor");
            }
            long at = cursor.position();
            long elements = cursor.i64();
            if (elements != key.elements()) {
                throw cursor.fault(
                        at,
                        "storage " + CheckpointException.quote(name) + " has " + elements
                                + " elements, but its tensors expect " + key.elements());
            }
            MemorySegment memory = file.slice(cursor.take(key.bytes()), key.bytes());
            if (storages.put(key, new TorchStorage(() -> memory)) != null) {
                throw cursor.fault(at, "storage " + CheckpointException.quote(name) + " comes twice");
            }
        }
        for (TorchStorage.Key key : globals.storages().values()) {
            if (!storages.containsKey(key)) {
                throw cursor.fault(namesAt, "storage " + CheckpointException.quote(key.name()) + " is missing");
            }
        }
        return new TorchFile(file, null, tree, storages);
    }

    private static void requireInt(ByteCursor cursor, BigInteger expected, String what) {
        long at = cursor.position();
        Object value = PickleMachine.load(cursor, new TorchGlobals());
        if (!new PickleValue.Int(expected).equals(value)) {
            throw cursor.fault(at, "its " + what + " is not " + expected);
        }
    }

    @Override
    public Path path() {
        return file.path();
    }

    @Override
    public Set<String> names() {
        return tree.tensors().keySet();
    }

    @Override
    public TensorInfo info(String name) {
        return find(name).info();
    }

    @Override
    public NdArray tensor(String name) {
        return tensor(find(name));
    }

    /// The elements of a tensor found by walking [#root].
    ///
    /// @throws IllegalArgumentException if the tensor belongs to another file
    /// @throws CheckpointException if its bytes turn out to be damaged
    public NdArray tensor(PickleValue.Tensor tensor) {
        file.requireOpen();
        TorchStorage storage = storages.get(tensor.storage());
        if (storage == null) {
            throw new IllegalArgumentException(tensor + " is not from " + path());
        }
        TensorInfo info = tensor.info();
        if (info.shape().elements() == 0) {
            return NdArray.of(MemorySegment.NULL, info.dtype(), info.shape());
        }
        return NdArray.of(storage.memory(), info.dtype(), info.shape(), tensor.strides(), tensor.offset());
    }

    /// Everything that was saved, of which the tensors are leaves.
    public PickleValue root() {
        return tree.root();
    }

    /// Empty: what a PyTorch file has besides tensors is not always text; see [#root].
    @Override
    public Map<String, String> metadata() {
        return Map.of();
    }

    @Override
    public void verify() {
        file.requireOpen();
        if (zip != null) {
            zip.records().forEach(zip::verify);
        }
    }

    @Override
    public void unload(MemorySegment memory) {
        file.unload(memory);
    }

    @Override
    public void close() {
        file.close();
    }

    private PickleValue.Tensor find(String name) {
        PickleValue.Tensor tensor = tree.tensors().get(name);
        if (tensor == null) {
            throw Names.unknown(this, name);
        }
        return tensor;
    }
}
