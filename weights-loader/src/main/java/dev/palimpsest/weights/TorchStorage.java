package dev.palimpsest.weights;

import dev.palimpsest.kernels.DType;
import java.lang.foreign.MemorySegment;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// The elements that one or several tensors of a PyTorch file view.
final class TorchStorage {
    private final Supplier<MemorySegment> source;
    private @Nullable MemorySegment memory;

    /// What the pickle says about a storage.
    ///
    /// @param name its key in the file
    /// @param dtype element type, or U8 for an untyped one
    /// @param elements number of elements
    record Key(String name, DType dtype, long elements) {
        long bytes() {
            return elements * dtype.bytes();
        }
    }

    /// @param source finds the bytes; called once, when they are first needed
    TorchStorage(Supplier<MemorySegment> source) {
        this.source = source;
    }

    synchronized MemorySegment memory() {
        if (memory == null) {
            memory = source.get();
        }
        return memory;
    }
}
