package dev.palimpsest.weights;

import dev.palimpsest.kernels.NdArray;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;

/// A `.safetensors` file.
///
/// The format is a JSON header followed by the elements of all tensors, little-endian, dense and row-major
/// (<https://github.com/huggingface/safetensors>). The header is checked completely when the file is opened; the
/// elements are views of the mapped file, at whatever alignment the file gives them.
public final class SafeTensors implements Checkpoint {
    private final MappedFile file;
    private final SafeTensorsHeader header;

    private SafeTensors(MappedFile file, SafeTensorsHeader header) {
        this.file = file;
        this.header = header;
    }

    /// Reads the header of a mapped file, which the result then owns.
    static SafeTensors read(MappedFile file) {
        return new SafeTensors(file, SafeTensorsHeader.read(file));
    }

    @Override
    public Path path() {
        return file.path();
    }

    @Override
    public Set<String> names() {
        return header.entries().keySet();
    }

    @Override
    public TensorInfo info(String name) {
        return entry(name).info();
    }

    @Override
    public NdArray tensor(String name) {
        SafeTensorsHeader.Entry entry = entry(name);
        file.requireOpen();
        return NdArray.of(
                file.slice(entry.begin(), entry.end() - entry.begin()),
                entry.info().dtype(),
                entry.info().shape());
    }

    @Override
    public void unload(MemorySegment memory) {
        file.unload(memory);
    }

    /// The text under `__metadata__`.
    @Override
    public Map<String, String> metadata() {
        return header.metadata();
    }

    /// Does nothing: the format has no checksums, and its structure was checked when the file was opened.
    @Override
    public void verify() {
        file.requireOpen();
    }

    @Override
    public void close() {
        file.close();
    }

    private SafeTensorsHeader.Entry entry(String name) {
        SafeTensorsHeader.Entry entry = header.entries().get(name);
        if (entry == null) {
            throw Names.unknown(this, name);
        }
        return entry;
    }
}
