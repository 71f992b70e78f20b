package dev.palimpsest.kernels.vector;

import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import java.lang.foreign.MemorySegment;

/// Transposes a tile: its lines come in as they lie, then leave transposed, two elements of two lines at a time. A
/// template for
/// [Specialized].
final class TileLoop implements TileRow {
    TileLoop() {}

    @Override
    public void run(MemorySegment x, long xo, long xStep, MemorySegment s, MemorySegment y, long yo, long yStep) {
        for (int i = 0; i < TILE; i++) {
            for (int j = 0; j < TILE; j += Simd.LANES) {
                Simd.store(Simd.loadInts(x, xo + i * xStep + 4L * j), s, (long) i * PITCH + 4L * j);
            }
        }
        for (int j = 0; j < TILE; j += 2) {
            long even = yo + j * yStep;
            long odd = even + yStep;
            for (int i = 0; i < TILE; i += 2) {
                long a = s.get(JAVA_LONG_UNALIGNED, (long) i * PITCH + 4L * j);
                long b = s.get(JAVA_LONG_UNALIGNED, (long) (i + 1) * PITCH + 4L * j);
                y.set(JAVA_LONG_UNALIGNED, even + 4L * i, (a & 0xffff_ffffL) | b << 32);
                y.set(JAVA_LONG_UNALIGNED, odd + 4L * i, a >>> 32 | (b & 0xffff_ffff_0000_0000L));
            }
        }
    }
}
