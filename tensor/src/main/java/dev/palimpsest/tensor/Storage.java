package dev.palimpsest.tensor;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/// The memory behind one or more tensors: a block of the pool that belongs to a scope, or memory that somebody else
/// keeps alive.
final class Storage {
    private final MemorySegment memory;
    private final MemoryPool.@Nullable Block block;
    private final String origin;
    private @Nullable Scope owner;
    private volatile boolean released;

    private Storage(MemorySegment memory, MemoryPool.@Nullable Block block, String origin, @Nullable Scope owner) {
        this.memory = memory;
        this.block = block;
        this.origin = origin;
        this.owner = owner;
    }

    /// Memory from the pool, owned by the current scope.
    static Storage allocate(String origin, long bytes) {
        Scope scope = Scope.current();
        MemoryPool.Block block = Scope.POOL.acquire(bytes);
        Storage storage = new Storage(block.memory, block, origin, scope);
        scope.adopt(storage);
        return storage;
    }

    /// Memory that lives elsewhere, for example in a mapped checkpoint.
    static Storage borrowed(MemorySegment memory, String origin) {
        return new Storage(memory, null, origin, null);
    }

    MemorySegment memory() {
        return memory;
    }

    long bytes() {
        return block == null ? 0 : block.bytes();
    }

    @Nullable
    Scope owner() {
        return owner;
    }

    void owner(Scope scope) {
        owner = scope;
    }

    String origin() {
        return origin;
    }

    void checkAlive() {
        if (released) {
            throw new IllegalStateException("the memory of a tensor made by " + origin
                    + " was released when its scope ended; return the tensor from Scope.run to keep it");
        }
        if (!memory.scope().isAlive()) {
            throw new IllegalStateException("the memory of a tensor from " + origin + " is closed");
        }
    }

    void release() {
        released = true;
        owner = null;
        if (block != null) {
            Scope.POOL.release(block);
        }
    }
}
