package dev.palimpsest.bench;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/// Time to copy a block of native memory: the roofline of every kernel that is bound by memory.
///
/// The bandwidth is twice the block's size (one read and one write) over the time. The sizes fall into the first-level
/// cache, the second-level cache and main memory on the usual processors.
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class CopyBandwidth {

    private static final long ALIGNMENT = 64;

    /// Bytes copied in one operation.
    @Param({"16384", "524288", "268435456"})
    public long bytes;

    private Arena arena;
    private MemorySegment source;
    private MemorySegment target;

    /// Allocates both blocks and touches every page, so that no page fault falls into the measurement.
    @Setup(Level.Trial)
    public void allocate() {
        arena = Arena.ofConfined();
        source = arena.allocate(bytes, ALIGNMENT).fill((byte) 1);
        target = arena.allocate(bytes, ALIGNMENT).fill((byte) 2);
    }

    /// Gives the memory back.
    @TearDown(Level.Trial)
    public void free() {
        arena.close();
    }

    /// Copies the block once.
    ///
    /// @return the target, so that the copy is not optimised away
    @Benchmark
    public MemorySegment copy() {
        return target.copyFrom(source);
    }
}
