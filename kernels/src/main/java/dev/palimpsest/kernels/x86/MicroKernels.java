package dev.palimpsest.kernels.x86;

import dev.palimpsest.kernels.x86.FinishGenerator.Finish;
import dev.palimpsest.kernels.x86.LayoutGenerator.Layout;
import dev.palimpsest.kernels.x86.TileGenerator.Tile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/// The machine code of one processor, written when it is first asked for: micro-kernels for every number of rows, so
/// that edges run as fast as full tiles, epilogues, conversions.
class MicroKernels {
    private final ExecutableMemory memory;
    private final Cpuid cpu;
    private final LargePages pages;
    private final Arena arena = Arena.ofAuto();
    private final Map<Record, Program> programs = new ConcurrentHashMap<>();

    /// @param memory where programs go
    /// @param cpu the processor that they are for
    MicroKernels(ExecutableMemory memory, Cpuid cpu) {
        this.memory = memory;
        pages = new LargePages(memory.system());
        this.cpu = cpu;
    }

    /// Whether the processor has the instructions of a type.
    boolean supports(TileType type) {
        return cpu.has(type.flag());
    }

    /// Memory for what micro-kernels read again and again, see [LargePages#allocate].
    MemorySegment allocate(long bytes, Arena arena) {
        return pages.allocate(bytes, arena);
    }

    /// A micro-kernel; arguments are those of [TileGenerator].
    Program tile(Tile tile) {
        return programs.computeIfAbsent(tile, key -> memory.install(TileGenerator.generate((Tile) key), arena));
    }

    /// An epilogue; arguments are those of [FinishGenerator].
    Program finish(Finish op) {
        return programs.computeIfAbsent(op, key -> memory.install(FinishGenerator.generate((Finish) key), arena));
    }

    /// A part of attention; arguments are those of [AttentionGenerator].
    Program attention(AttentionGenerator.Piece piece) {
        return programs.computeIfAbsent(
                (Record) piece,
                key -> memory.install(AttentionGenerator.generate((AttentionGenerator.Piece) key), arena));
    }

    /// A conversion; arguments are those of [LayoutGenerator].
    Program layout(Layout layout) {
        return programs.computeIfAbsent(
                (Record) layout, key -> memory.install(LayoutGenerator.generate((Layout) key), arena));
    }
}
