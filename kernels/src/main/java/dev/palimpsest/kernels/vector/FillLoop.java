package dev.palimpsest.kernels.vector;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.IntVector;

/// Fills memory; a template for [Specialized].
final class FillLoop implements FillRow {
    FillLoop() {}

    @Override
    public void run(MemorySegment y, long yo, int value, int n) {
        IntVector v = IntVector.broadcast(Simd.INTS, value);
        int i = 0;
        for (; i <= n - Simd.LANES; i += Simd.LANES) {
            Simd.store(v, y, yo + 4L * i);
        }
        for (; i < n; i++) {
            y.set(JAVA_INT_UNALIGNED, yo + 4L * i, value);
        }
    }
}
