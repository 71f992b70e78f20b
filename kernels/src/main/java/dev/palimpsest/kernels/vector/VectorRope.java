package dev.palimpsest.kernels.vector;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Parallel;
import dev.palimpsest.kernels.RopeLayout;
import java.lang.foreign.MemorySegment;

/// Rotary embedding. The angles of a position are prepared once and used for all of its heads.
final class VectorRope {
    private final Parallel parallel;
    private final Scratch scratch;

    VectorRope(Parallel parallel, Scratch scratch) {
        this.parallel = parallel;
        this.scratch = scratch;
    }

    /// See [dev.palimpsest.kernels.Kernels#rope].
    void rope(RopeLayout layout, NdArray x, NdArray cos, NdArray sin, NdArray out) {
        if (x.elements() == 0) {
            return;
        }
        int length = x.dim(0);
        int heads = x.dim(1);
        int width = x.dim(2);
        int pairs = cos.dim(1);
        boolean xDirect = Rows.isDirect(x, x.stride(2));
        boolean yDirect = Rows.isDirect(out, out.stride(2));
        int perTask = Math.toIntExact(Math.max(1, LoopNest.GRAIN / ((long) heads * width)));
        parallel.forEach(Math.ceilDiv(length, perTask), t -> {
            long angles = 4L * width;
            MemorySegment s = scratch.floats(width + 4L * pairs);
            MemorySegment from = xDirect ? x.memory() : s;
            MemorySegment to = yDirect ? out.memory() : s;
            for (int p = t * perTask; p < Math.min(length, (t + 1) * perTask); p++) {
                prepare(layout, cos, sin, p, s, angles);
                for (int h = 0; h < heads; h++) {
                    long xo = (x.offset() + p * x.stride(0) + h * x.stride(1))
                            * x.dtype().bytes();
                    long yo = (out.offset() + p * out.stride(0) + h * out.stride(1)) * 4;
                    if (!xDirect) {
                        Rows.read(x.dtype(), x.memory(), xo, x.stride(2), s, 0, width);
                        xo = 0;
                    }
                    long y = yDirect ? yo : 0;
                    switch (layout) {
                        case INTERLEAVED -> RopeRow.LOOP.interleaved(from, xo, s, angles, to, y, pairs);
                        case HALF_SPLIT -> RopeRow.LOOP.halves(from, xo, s, angles, to, y, pairs);
                    }
                    long rest = 8L * pairs;
                    if (rest < 4L * width) {
                        MemorySegment.copy(from, xo + rest, to, y + rest, 4L * width - rest);
                    }
                    if (!yDirect) {
                        Rows.write(s, 0, DType.F32, out.memory(), yo, out.stride(2), width);
                    }
                }
            }
        });
    }

    /// Writes a position's cosines, then its sines. Interleaved pairs get every cosine twice and every sine with both
    /// signs:
    /// turning is then one multiplication of the row and one of the row with its neighbours exchanged.
    private static void prepare(RopeLayout layout, NdArray cos, NdArray sin, int p, MemorySegment s, long at) {
        int pairs = cos.dim(1);
        long c = cos.offset() + p * cos.stride(0);
        long d = sin.offset() + p * sin.stride(0);
        if (layout == RopeLayout.HALF_SPLIT) {
            Rows.read(DType.F32, cos.memory(), 4 * c, cos.stride(1), s, at, pairs);
            Rows.read(DType.F32, sin.memory(), 4 * d, sin.stride(1), s, at + 4L * pairs, pairs);
            return;
        }
        for (int i = 0; i < pairs; i++) {
            float u = cos.memory().get(JAVA_FLOAT_UNALIGNED, 4 * (c + i * cos.stride(1)));
            float v = sin.memory().get(JAVA_FLOAT_UNALIGNED, 4 * (d + i * sin.stride(1)));
            long to = at + 8L * i;
            s.set(JAVA_FLOAT_UNALIGNED, to, u);
            s.set(JAVA_FLOAT_UNALIGNED, to + 4, u);
            s.set(JAVA_FLOAT_UNALIGNED, to + 8L * pairs, -v);
            s.set(JAVA_FLOAT_UNALIGNED, to + 8L * pairs + 4, v);
        }
    }
}
