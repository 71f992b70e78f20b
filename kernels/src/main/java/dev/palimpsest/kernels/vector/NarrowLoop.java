package dev.palimpsest.kernels.vector;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/// Packs rows; a template for [Specialized].
final class NarrowLoop implements NarrowRow {
    private static final PanelType TYPE = Specialized.constant(MethodHandles.lookup(), PanelType.class);

    NarrowLoop() {}

    @Override
    public void run(
            MemorySegment x, long xo, long xStep, MemorySegment factors, long fo, MemorySegment y, long yo, int n) {
        for (int i = 0; i < n; i += Simd.LANES) {
            long at = xo + 4L * i;
            if (TYPE == PanelType.I8) {
                FloatVector q = Simd.load(x, at).mul(Simd.load(factors, fo + 4L * i));
                Simd.storeBytes(q.add(Simd.ROUNDER).reinterpretAsInts(), y, yo + i);
            } else if (TYPE == PanelType.BF16) {
                IntVector second = Simd.toBFloat16Bits(Simd.load(x, at + xStep));
                IntVector first = Simd.toBFloat16Bits(Simd.load(x, at));
                Simd.store(second.lanewise(VectorOperators.LSHL, 16).or(first), y, yo + 4L * i);
            } else {
                Simd.store(Simd.toFloat16(Simd.load(x, at)), y, yo + 2L * i);
            }
        }
    }
}
