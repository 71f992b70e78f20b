package dev.palimpsest.kernels.vector;

import dev.palimpsest.kernels.Arithmetic;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/// Rounds rows; a template for [Specialized].
final class RoundingLoop implements RoundingRow {
    private static final Arithmetic ARITHMETIC = Specialized.constant(MethodHandles.lookup(), Arithmetic.class);

    RoundingLoop() {}

    @Override
    public void run(MemorySegment x, long xo, int n, float factor, float zero) {
        for (int i = 0; i < n; i += Simd.LANES) {
            FloatVector v = Simd.load(x, xo + 4L * i);
            if (ARITHMETIC == Arithmetic.BF16) {
                v = Simd.toBFloat16Bits(v).lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
            } else {
                FloatVector q =
                        v.mul(factor).add(Simd.ROUNDER).sub(Simd.ROUNDER).add(zero);
                v = q.max(0f).min(255f).sub(zero);
            }
            Simd.store(v, x, xo + 4L * i);
        }
    }
}
