package dev.palimpsest.kernels.vector;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.palimpsest.kernels.Binary;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Parallel;
import dev.palimpsest.kernels.Unary;
import java.lang.foreign.MemorySegment;
import java.util.List;

/// Elementwise functions with broadcasting.
///
/// Rows that are dense floats are used where they lie; a side that does not change along a row is a number in a
/// register. All
/// else (narrower types, odd strides) passes through a chunk of scratch memory that stays in the first-level cache.
final class VectorElementwise {
    /// Elements of a row that are worked on at a time; three rows of scratch fit into a first-level cache.
    private static final int CHUNK = 2048;

    static final Specialized<Unary, UnaryRow> UNARY =
            new Specialized<>(UnaryLoop.class, UnaryRow.class, List.of(Unary.values()));
    static final Specialized<BinaryRow.Form, BinaryRow> BINARY =
            new Specialized<>(BinaryLoop.class, BinaryRow.class, BinaryRow.forms());

    private final Parallel parallel;
    private final Scratch scratch;

    VectorElementwise(Parallel parallel, Scratch scratch) {
        this.parallel = parallel;
        this.scratch = scratch;
    }

    /// The loop of a function of two rows without strides.
    static BinaryRow dense(Binary op) {
        return BINARY.get(new BinaryRow.Form(op, BinaryRow.Splat.NEITHER));
    }

    /// Whether [#unary] can do it.
    static boolean canUnary(NdArray x, NdArray out) {
        return Rows.isReadable(x.dtype()) && out.dtype() == DType.F32;
    }

    /// `out = op(x)`, same shapes.
    void unary(Unary op, NdArray x, NdArray out) {
        UnaryRow loop = UNARY.get(op);
        boolean reduced = op == Unary.SIN || op == Unary.COS;
        LoopNest nest = LoopNest.over(out, x);
        boolean xDirect = Rows.isDirect(x, nest.innerStride(1));
        boolean yDirect = Rows.isDirect(out, nest.innerStride(0));
        int xBytes = x.dtype().bytes();
        nest.forEach(parallel, CHUNK, () -> {
            MemorySegment s = scratch.floats(CHUNK + Simd.LANES);
            MemorySegment from = xDirect ? x.memory() : s;
            MemorySegment to = yDirect ? out.memory() : s;
            return (at, n) -> {
                long xo = at[1] * xBytes;
                if (!xDirect) {
                    Rows.read(x.dtype(), x.memory(), xo, nest.innerStride(1), s, 0, n);
                    xo = 0;
                }
                long yo = yDirect ? 4 * at[0] : 0;
                if (reduced && !ExtremeRow.LOOP.isBelow(from, xo, VectorMath.TRIGONOMETRIC_LIMIT, n)) {
                    trigonometric(op, from, xo, to, yo, n);
                } else {
                    loop.apply(from, xo, to, yo, n, s, 4L * CHUNK);
                }
                if (!yDirect) {
                    Rows.write(s, 0, DType.F32, out.memory(), 4 * at[0], nest.innerStride(0), n);
                }
            };
        });
    }

    private static void trigonometric(Unary op, MemorySegment x, long xo, MemorySegment y, long yo, int n) {
        for (int i = 0; i < n; i++) {
            float v = x.get(JAVA_FLOAT_UNALIGNED, xo + 4L * i);
            y.set(JAVA_FLOAT_UNALIGNED, yo + 4L * i, (float) (op == Unary.SIN ? Math.sin(v) : Math.cos(v)));
        }
    }

    /// Whether [#binary] can do it.
    static boolean canBinary(Binary op, NdArray a, NdArray b) {
        return op != Binary.POWER && Rows.isReadable(a.dtype()) && Rows.isReadable(b.dtype());
    }

    /// `out = op(a, b)`, all of one shape.
    void binary(Binary op, NdArray a, NdArray b, NdArray out) {
        LoopNest nest = LoopNest.over(out, a, b);
        boolean aSplat = nest.innerStride(1) == 0;
        boolean bSplat = nest.innerStride(2) == 0 && !aSplat;
        BinaryRow.Splat splat =
                aSplat ? BinaryRow.Splat.LEFT : bSplat ? BinaryRow.Splat.RIGHT : BinaryRow.Splat.NEITHER;
        BinaryRow loop = BINARY.get(new BinaryRow.Form(op, splat));
        boolean aDirect = Rows.isDirect(a, aSplat ? 1 : nest.innerStride(1));
        boolean bDirect = Rows.isDirect(b, bSplat ? 1 : nest.innerStride(2));
        boolean yDirect = nest.innerStride(0) == 1;
        int aBytes = a.dtype().bytes();
        int bBytes = b.dtype().bytes();
        int yBytes = out.dtype().bytes();
        nest.forEach(parallel, CHUNK, () -> {
            MemorySegment s = scratch.floats(3 * CHUNK);
            MemorySegment left = aDirect ? a.memory() : s;
            MemorySegment right = bDirect ? b.memory() : s;
            MemorySegment to = yDirect ? out.memory() : s;
            return (at, n) -> {
                long ao = at[1] * aBytes;
                if (!aDirect) {
                    Rows.read(a.dtype(), a.memory(), ao, nest.innerStride(1), s, 0, aSplat ? 1 : n);
                    ao = 0;
                }
                long bo = at[2] * bBytes;
                if (!bDirect) {
                    Rows.read(b.dtype(), b.memory(), bo, nest.innerStride(2), s, 4L * CHUNK, bSplat ? 1 : n);
                    bo = 4L * CHUNK;
                }
                long yo = yDirect ? at[0] * yBytes : 8L * CHUNK;
                loop.run(left, ao, right, bo, to, yo, n);
                if (!yDirect) {
                    if (yBytes == 1) {
                        writeBytes(s, yo, out.memory(), at[0], nest.innerStride(0), n);
                    } else {
                        Rows.write(s, yo, DType.F32, out.memory(), 4 * at[0], nest.innerStride(0), n);
                    }
                }
            };
        });
    }

    /// Whether [#where] can do it.
    static boolean canWhere(NdArray condition, NdArray out) {
        return out.dtype() == DType.F32 && condition.dtype() == DType.BOOL;
    }

    /// `out = condition ? a : b`, all of one shape.
    void where(NdArray condition, NdArray a, NdArray b, NdArray out) {
        LoopNest nest = LoopNest.over(out, a, b, condition);
        boolean aDirect = nest.innerStride(1) == 1;
        boolean bDirect = nest.innerStride(2) == 1;
        boolean cDirect = nest.innerStride(3) == 1;
        boolean yDirect = nest.innerStride(0) == 1;
        nest.forEach(parallel, CHUNK, () -> {
            MemorySegment s = scratch.floats(4 * CHUNK);
            MemorySegment left = aDirect ? a.memory() : s;
            MemorySegment right = bDirect ? b.memory() : s;
            MemorySegment choice = cDirect ? condition.memory() : s;
            MemorySegment to = yDirect ? out.memory() : s;
            return (at, n) -> {
                if (!aDirect) {
                    Rows.read(DType.F32, a.memory(), 4 * at[1], nest.innerStride(1), s, 0, n);
                }
                if (!bDirect) {
                    Rows.read(DType.F32, b.memory(), 4 * at[2], nest.innerStride(2), s, 4L * CHUNK, n);
                }
                if (!cDirect) {
                    readBytes(condition.memory(), at[3], nest.innerStride(3), s, 12L * CHUNK, n);
                }
                SelectRow.LOOP.run(
                        choice,
                        cDirect ? at[3] : 12L * CHUNK,
                        left,
                        aDirect ? 4 * at[1] : 0,
                        right,
                        bDirect ? 4 * at[2] : 4L * CHUNK,
                        to,
                        yDirect ? 4 * at[0] : 8L * CHUNK,
                        n);
                if (!yDirect) {
                    Rows.write(s, 8L * CHUNK, DType.F32, out.memory(), 4 * at[0], nest.innerStride(0), n);
                }
            };
        });
    }

    private static void readBytes(MemorySegment x, long xo, long stride, MemorySegment y, long yo, int n) {
        for (int i = 0; i < n; i++) {
            y.set(JAVA_BYTE, yo + i, x.get(JAVA_BYTE, xo + stride * i));
        }
    }

    private static void writeBytes(MemorySegment x, long xo, MemorySegment y, long yo, long stride, int n) {
        for (int i = 0; i < n; i++) {
            y.set(JAVA_BYTE, yo + stride * i, x.get(JAVA_BYTE, xo + i));
        }
    }
}
