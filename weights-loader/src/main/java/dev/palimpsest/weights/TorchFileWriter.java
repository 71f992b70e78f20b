package dev.palimpsest.weights;

import dev.palimpsest.kernels.NdArray;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongConsumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// Writes a `.pth` or `.bin` file as `torch.save` writes a state dict, which `torch.load` reads.
///
/// ```java
/// new TorchFileWriter().add("weight", array).write(Path.of("out.pth"));
/// ```
///
/// The file is a zip archive of stored records: `data.pkl`, an `OrderedDict` of tensors pickled with protocol 2;
/// `byteorder`; a record `data/N` for each tensor, which begins at a multiple of 64 bytes so that it can be used where
/// it is mapped; and `version`. The records lie in a folder that is called like the file. The same tensors in the same
/// order give the same bytes under the same file name. The file appears under its name only when it is complete and on
/// disk. Elements are streamed, so nothing as large as a tensor is allocated.
public final class TorchFileWriter {
    private static final byte[] BYTE_ORDER = ascii("little");
    private static final byte[] VERSION = ascii("3\n");

    private final @Nullable String wrapper;
    private final Map<String, Storage> tensors = new LinkedHashMap<>();
    private final List<TensorSource> records = new ArrayList<>();

    /// The record of one or several tensors.
    ///
    /// @param number its name in the archive
    private record Storage(int number, TensorSource source) {}

    /// A writer without tensors.
    public TorchFileWriter() {
        this(null);
    }

    private TorchFileWriter(@Nullable String wrapper) {
        this.wrapper = wrapper;
    }

    /// A writer without tensors, whose state dict will be the value of a key in another dictionary: `{"vae": {...}}`.
    ///
    /// @throws IllegalArgumentException if the key is not valid Unicode
    public static TorchFileWriter under(String key) {
        return new TorchFileWriter(SafeTensorsWriter.unicode(key));
    }

    /// Adds a tensor with any strides, which is written densely. Its elements are read when the file is written.
    ///
    /// @return this
    /// @throws IllegalArgumentException if there is a tensor of this name already, its type is not one that PyTorch has
    ///     storages of, or the name is not valid Unicode
    public TorchFileWriter add(String name, NdArray tensor) {
        return add(name, TensorSource.of(tensor));
    }

    /// Adds a tensor whose elements are made when they are written, so that no more than one of them is in memory.
    ///
    /// @param elements gives an array of this type and shape; called once for each file, and what it gives is used
    ///     before the next one is asked for
    /// @return this
    /// @throws IllegalArgumentException if there is a tensor of this name already, its type is not one that PyTorch has
    ///     storages of, or the name is not valid Unicode
    public TorchFileWriter add(String name, TensorInfo info, Supplier<NdArray> elements) {
        return add(name, new TensorSource(info, elements));
    }

    private TorchFileWriter add(String name, TensorSource source) {
        TorchGlobals.storageType(source.info().dtype()); // refuses other types before anything is written
        put(name, new Storage(records.size(), source));
        records.add(source);
        return this;
    }

    /// Adds another name of a tensor that was added before; both share one record, as tied weights do.
    ///
    /// @return this
    /// @throws IllegalArgumentException if there is a tensor of this name already, none of the other name, or the name
    ///     is not valid Unicode
    public TorchFileWriter alias(String name, String of) {
        Storage storage = tensors.get(of);
        if (storage == null) {
            throw new IllegalArgumentException("there is no tensor called " + CheckpointException.quote(of) + " that "
                    + CheckpointException.quote(name) + " could share");
        }
        put(name, storage);
        return this;
    }

    private void put(String name, Storage storage) {
        if (tensors.putIfAbsent(SafeTensorsWriter.unicode(name), storage) != null) {
            throw new IllegalArgumentException("there are two tensors called " + CheckpointException.quote(name));
        }
    }

    /// Writes the file, replacing one that exists.
    ///
    /// @throws CheckpointException if that fails, after which the folder is as it was before
    public void write(Path path) {
        write(path, written -> {});
    }

    /// Writes the file, replacing one that exists.
    ///
    /// @param listener is told how many bytes have been written so far, each time that some were; what it throws ends
    ///     the writing
    /// @throws CheckpointException if that fails, after which the folder is as it was before
    public void write(Path path, LongConsumer listener) {
        byte[] pickle = pickle();
        OutputFile.write(path, listener, out -> {
            ZipWriter zip = new ZipWriter(out, folder(path));
            zip.record("data.pkl", pickle.length, o -> o.write(pickle));
            zip.record("byteorder", BYTE_ORDER.length, o -> o.write(BYTE_ORDER));
            for (int i = 0; i < records.size(); i++) {
                TensorSource record = records.get(i);
                zip.record("data/" + i, record.info().bytes(), o -> o.write(record));
            }
            zip.record("version", VERSION.length, o -> o.write(VERSION));
            zip.finish();
        });
    }

    /// PyTorch calls the folder in the archive like the file, without its extension.
    private static String folder(Path path) {
        String file = String.valueOf(path.getFileName());
        int dot = file.lastIndexOf('.');
        return dot > 0 ? file.substring(0, dot) : file;
    }

    // ---- the pickle

    private byte[] pickle() {
        var out = new PickleWriter();
        if (wrapper != null) {
            out.emptyDict().mark().text(wrapper);
        }
        out.emptyOrderedDict().mark();
        tensors.forEach((name, storage) -> tensor(out.text(name), storage));
        out.setItems();
        if (wrapper != null) {
            out.setItems();
        }
        return out.finish();
    }

    /// A call of `torch._utils._rebuild_tensor_v2(storage, offset, size, stride, requires_grad, backward_hooks)`, with
    /// the storage named by the persistent id `("storage", type, key, place, elements)`.
    private static void tensor(PickleWriter out, Storage storage) {
        TensorInfo info = storage.source.info();
        int[] size = info.shape().dims();
        out.global("torch._utils", "_rebuild_tensor_v2").mark().mark();
        out.once("storage").global("torch", TorchGlobals.storageType(info.dtype()));
        out.text(Integer.toString(storage.number))
                .once("cpu")
                .integer(info.shape().elements());
        out.tuple().persistentId();
        out.integer(0).tuple(Arrays.stream(size).asLongStream().toArray()).tuple(strides(size));
        out.no().emptyOrderedDict();
        out.tuple().reduce();
    }

    private static long[] strides(int[] size) {
        long[] strides = new long[size.length];
        long stride = 1;
        for (int i = size.length - 1; i >= 0; i--) {
            strides[i] = stride;
            stride *= Math.max(size[i], 1);
        }
        return strides;
    }

    private static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }
}
