package dev.palimpsest.kernels.vector;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;

/// Chooses between two rows; a template for [Specialized].
final class SelectLoop implements SelectRow {
    SelectLoop() {}

    @Override
    public void run(
            MemorySegment c,
            long co,
            MemorySegment a,
            long ao,
            MemorySegment b,
            long bo,
            MemorySegment y,
            long yo,
            int n) {
        int i = 0;
        for (; i <= n - Simd.LANES; i += Simd.LANES) {
            FloatVector otherwise = Simd.load(b, bo + 4L * i);
            Simd.store(otherwise.blend(Simd.load(a, ao + 4L * i), Simd.loadMask(c, co + i)), y, yo + 4L * i);
        }
        for (; i < n; i++) {
            boolean first = c.get(JAVA_BYTE, co + i) != 0;
            int bits = first ? a.get(JAVA_INT_UNALIGNED, ao + 4L * i) : b.get(JAVA_INT_UNALIGNED, bo + 4L * i);
            y.set(JAVA_INT_UNALIGNED, yo + 4L * i, bits);
        }
    }
}
