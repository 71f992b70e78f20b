package dev.palimpsest.kernels.vector;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;

/// Finds the largest magnitudes of columns; a template for [Specialized].
final class MagnitudeLoop implements MagnitudeRow {
    MagnitudeLoop() {}

    @Override
    public void run(MemorySegment x, long xo, long xStep, int rows, MemorySegment y, long yo, int n) {
        for (int i = 0; i < n; i += Simd.LANES) {
            FloatVector largest = Simd.load(y, yo + 4L * i);
            long at = xo + 4L * i;
            for (int r = 0; r < rows; r++) {
                largest = largest.max(Simd.load(x, at + r * xStep).abs());
            }
            Simd.store(largest, y, yo + 4L * i);
        }
    }
}
