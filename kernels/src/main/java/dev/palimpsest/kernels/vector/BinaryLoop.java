package dev.palimpsest.kernels.vector;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.palimpsest.kernels.Binary;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/// One function of two rows of dense floats, or of a row and a number; a template for [Specialized].
final class BinaryLoop implements BinaryRow {
    private static final Form FORM = Specialized.constant(MethodHandles.lookup(), Form.class);
    private static final Binary OP = FORM.op();
    private static final boolean COMPARISON = OP.isComparison();
    private static final boolean LEFT = FORM.splat() == Splat.LEFT;
    private static final boolean RIGHT = FORM.splat() == Splat.RIGHT;

    BinaryLoop() {}

    @Override
    public void run(MemorySegment a, long ao, MemorySegment b, long bo, MemorySegment y, long yo, int n) {
        FloatVector left = Simd.splat(LEFT ? a.get(JAVA_FLOAT_UNALIGNED, ao) : 0);
        FloatVector right = Simd.splat(RIGHT ? b.get(JAVA_FLOAT_UNALIGNED, bo) : 0);
        int i = 0;
        for (; i <= n - Simd.LANES; i += Simd.LANES) {
            FloatVector u = LEFT ? left : Simd.load(a, ao + 4L * i);
            FloatVector v = RIGHT ? right : Simd.load(b, bo + 4L * i);
            if (COMPARISON) {
                Simd.store(compare(u, v), y, yo + i);
            } else {
                Simd.store(apply(u, v), y, yo + 4L * i);
            }
        }
        if (i < n) {
            VectorMask<Float> rest = Simd.first(n - i);
            FloatVector u = LEFT ? left : Simd.load(a, ao + 4L * i, rest);
            FloatVector v = RIGHT ? right : Simd.load(b, bo + 4L * i, rest);
            if (COMPARISON) {
                long bits = compare(u, v).toLong();
                for (int j = 0; j < n - i; j++) {
                    y.set(JAVA_BYTE, yo + i + j, (byte) (bits >>> j & 1));
                }
            } else {
                Simd.store(apply(u, v), y, yo + 4L * i, rest);
            }
        }
    }

    @Inline
    private static FloatVector apply(FloatVector a, FloatVector b) {
        if (OP == Binary.ADD) {
            return a.add(b);
        } else if (OP == Binary.SUBTRACT) {
            return a.sub(b);
        } else if (OP == Binary.MULTIPLY) {
            return a.mul(b);
        } else if (OP == Binary.DIVIDE) {
            return a.div(b);
        } else if (OP == Binary.MIN) {
            return a.min(b);
        } else if (OP == Binary.MAX) {
            return a.max(b);
        }
        throw new IllegalStateException("no vector form of " + OP);
    }

    @Inline
    private static VectorMask<Float> compare(FloatVector a, FloatVector b) {
        if (OP == Binary.EQUAL) {
            return a.compare(VectorOperators.EQ, b);
        } else if (OP == Binary.LESS) {
            return a.compare(VectorOperators.LT, b);
        } else if (OP == Binary.LESS_EQUAL) {
            return a.compare(VectorOperators.LE, b);
        }
        throw new IllegalStateException("no vector form of " + OP);
    }
}
