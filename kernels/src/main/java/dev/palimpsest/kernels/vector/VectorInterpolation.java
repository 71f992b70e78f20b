package dev.palimpsest.kernels.vector;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Interpolation;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Parallel;
import dev.palimpsest.kernels.Shape;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// Interpolation, one axis after the other, the last one first.
///
/// Resizing an axis adds weighted rows that lie across it. Where those rows are not dense (the columns of a
/// channels-first
/// picture) the picture is turned around, resized, and turned back.
final class VectorInterpolation {
    private static final int CHUNK = 4096;

    /// Output samples along the axis that one task computes.
    private static final int SAMPLES = 32;

    private static final int ALIGNMENT = 64;

    private final Parallel parallel;
    private final VectorCopy copies;

    VectorInterpolation(Parallel parallel, VectorCopy copies) {
        this.parallel = parallel;
        this.copies = copies;
    }

    /// See [dev.palimpsest.kernels.Kernels#interpolate].
    void interpolate(Interpolation mode, NdArray x, NdArray out) {
        if (out.elements() == 0) {
            return;
        }
        int last = 1;
        for (int axis = x.rank() - 1; axis >= 2; axis--) {
            last = x.dim(axis) == out.dim(axis) ? last : axis;
        }
        try (Arena arena = Arena.ofShared()) {
            NdArray from = x;
            for (int axis = x.rank() - 1; axis >= 2; axis--) {
                if (x.dim(axis) != out.dim(axis)) {
                    NdArray to = axis == last ? out : like(out, from.shape().with(axis, out.dim(axis)), arena);
                    resize(Resampling.of(mode, x.dim(axis), out.dim(axis)), from, axis, to, arena);
                    from = to;
                }
            }
            if (last == 1) {
                copies.copy(x, out);
            }
        }
    }

    /// A dense f32 array with its channels last if another array has them there.
    private static NdArray like(NdArray other, Shape shape, Arena arena) {
        MemorySegment memory = arena.allocate(4 * shape.elements(), ALIGNMENT);
        if (other.dim(1) == 1 || other.stride(1) != 1) {
            return NdArray.of(memory, DType.F32, shape);
        }
        int[] d = shape.dims();
        int[] channelsLast = new int[d.length];
        int[] back = new int[d.length];
        channelsLast[0] = d[0];
        for (int i = 2; i < d.length; i++) {
            channelsLast[i - 1] = d[i];
            back[i] = i - 1;
        }
        channelsLast[d.length - 1] = d[1];
        back[1] = d.length - 1;
        return NdArray.of(memory, DType.F32, Shape.of(channelsLast)).permute(back);
    }

    private void resize(Resampling resampling, NdArray x, int axis, NdArray out, Arena arena) {
        LoopNest rows = LoopNest.over(out.select(axis, 0), x.select(axis, 0));
        if (x.dtype() == DType.F32 && rows.innerStride(0) == 1 && rows.innerStride(1) == 1) {
            resizeRows(resampling, rows, x, axis, out);
            return;
        }
        NdArray turned = across(x, axis, arena);
        copies.copy(x, turned);
        NdArray resized = across(out, axis, arena);
        resizeRows(resampling, LoopNest.over(resized.select(axis, 0), turned.select(axis, 0)), turned, axis, resized);
        copies.copy(resized, out);
    }

    /// A dense f32 array of the same shape with an axis outermost.
    private static NdArray across(NdArray a, int axis, Arena arena) {
        int rank = a.rank();
        int[] d = new int[rank];
        int[] back = new int[rank];
        d[0] = a.dim(axis);
        for (int i = 0, at = 1; i < rank; i++) {
            if (i != axis) {
                d[at] = a.dim(i);
                back[i] = at++;
            }
        }
        return NdArray.of(arena.allocate(4 * a.elements(), ALIGNMENT), DType.F32, Shape.of(d))
                .permute(back);
    }

    private void resizeRows(Resampling resampling, LoopNest rows, NdArray x, int axis, NdArray out) {
        int samples = out.dim(axis);
        int blocks = Math.ceilDiv(samples, SAMPLES);
        long all = rows.pieces(CHUNK) * blocks;
        long perTask =
                Math.max(1, LoopNest.GRAIN / ((long) Math.min(CHUNK, rows.inner()) * Math.min(SAMPLES, samples)));
        long step = 4 * x.stride(axis);
        long outStep = 4 * out.stride(axis);
        MemorySegment from = x.memory();
        MemorySegment to = out.memory();
        parallel.forEach(Math.toIntExact(Math.ceilDiv(all, perTask)), t -> {
            for (long i = t * perTask; i < Math.min(all, (t + 1) * perTask); i++) {
                long piece = i / blocks;
                int begin = (int) (i % blocks) * SAMPLES;
                int end = Math.min(samples, begin + SAMPLES);
                rows.forEachPiece(piece, piece + 1, CHUNK, (at, n) -> {
                    for (int j = begin; j < end; j++) {
                        long xo = 4 * at[1] + resampling.first()[j] * step;
                        sum(from, xo, step, resampling.weights()[j], to, 4 * at[0] + j * outStep, n);
                    }
                });
            }
        });
    }

    /// `y = weights[0] x[0] + weights[1] x[1] + ...` for rows `step` bytes apart.
    private static void sum(MemorySegment x, long xo, long step, float[] weights, MemorySegment y, long yo, int n) {
        if (weights.length == 1 && weights[0] == 1) {
            MemorySegment.copy(x, xo, y, yo, 4L * n);
        } else if (weights.length == 2) {
            WeightedRow.LOOP.blend(x, xo, step, weights[0], weights[1], y, yo, n);
        } else {
            WeightedRow.LOOP.weighted(x, xo, step, weights, y, yo, n);
        }
    }
}
