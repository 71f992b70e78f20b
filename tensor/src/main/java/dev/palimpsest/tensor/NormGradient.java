package dev.palimpsest.tensor;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Shape;
import java.util.function.Function;

/// The gradient of a normalisation of the last axis with learned and adaptive parts, some rows at a time, so that what
/// is computed on the way stays in the caches.
///
/// For `y = (n * weight + bias) * scale + shift`, where n is x over the root of its mean square (plus eps), after
/// taking its mean off if `centred`; with r = 1 / root and d the derivative by n, `dx = r (d - mean(d) - n mean(d
/// n))`, without the middle term if not centred.
final class NormGradient {
    private static final int PIECE_ELEMENTS = 1 << 18;

    private final Backward b;
    private final float eps;
    private final boolean centred;
    private final Tensor x; // (..., width)
    private final int axis;
    private final int step;

    NormGradient(Backward b, float eps, boolean centred) {
        this.b = b;
        this.eps = eps;
        this.centred = centred;
        this.x = b.input(0);
        int longest = 0;
        for (int i = 1; i < x.rank() - 1; i++) {
            longest = x.dim(i) > x.dim(longest) ? i : longest;
        }
        this.axis = longest;
        // rows of one number each, if x has no axis but the last
        this.step = x.rank() < 2
                ? Integer.MAX_VALUE
                : Math.toIntExact(Math.max(1, PIECE_ELEMENTS * (long) x.dim(axis) / Math.max(1, x.elements())));
    }

    void run() {
        b.to(0, dy -> {
            Tensor dx = Tensor.empty(DType.F32, x.shape());
            forEachPiece((from, to) -> part(dx, from, to).copyInPlace(new Piece(from, to).byInput()));
            return dx;
        });
        sum(1, piece -> piece.learned().mul(piece.n()));
        sum(2, Piece::learned);
        sum(3, Piece::byScale);
        sum(4, piece -> piece.dy);
    }

    private interface Rows {
        void run(int from, int to);
    }

    private void forEachPiece(Rows rows) {
        int extent = x.rank() < 2 ? 1 : x.dim(axis);
        for (int at = 0; at < extent; at += step) {
            int from = at;
            int to = (int) Math.min(extent, (long) at + step);
            Scope.run(() -> {
                rows.run(from, to);
                return null;
            });
        }
    }

    /// Adds up what the pieces say of an input that may be stretched to the shape of x.
    private void sum(int input, Function<Piece, Tensor> derivative) {
        if (b.wants(input)) {
            b.into(
                    input,
                    sum -> forEachPiece((from, to) -> {
                        Tensor some = part(sum, from, to);
                        some.addInPlace(sumTo(derivative.apply(new Piece(from, to)), some.shape()));
                    }));
        }
    }

    /// The rows of a piece in something that stretches to the shape of x. A view.
    private Tensor part(Tensor t, int from, int to) {
        int own = axis - (x.rank() - t.rank());
        if (x.rank() < 2 || own < 0) {
            return t;
        }
        return t.dim(own) == 1 && x.dim(axis) != 1 ? t : t.slice(own, from, to);
    }

    private static Tensor sumTo(Tensor t, Shape to) {
        int lead = t.rank() - to.rank();
        Tensor sum = t;
        for (int i = 0; i < t.rank(); i++) {
            sum = i < lead || to.dim(i - lead) == 1 ? sum.sum(i) : sum;
        }
        return sum.reshape(to);
    }

    /// Some rows.
    private final class Piece {
        private final int from;
        private final int to;
        private final Tensor dy; // (..., width)

        Piece(int from, int to) {
            this.from = from;
            this.to = to;
            this.dy = part(b.gradient(), from, to);
        }

        private Tensor input(int i) {
            return part(b.input(i), from, to);
        }

        private Tensor moved() {
            Tensor wide = input(0).to(DType.F32);
            return centred ? wide.sub(wide.mean(-1)) : wide;
        }

        private Tensor r(Tensor moved) {
            return moved.square().mean(-1).add(eps).rsqrt(); // (..., 1)
        }

        Tensor n() {
            Tensor moved = moved();
            return moved.mul(r(moved));
        }

        /// The derivative by `n * weight + bias`.
        Tensor learned() {
            return b.has(3) ? dy.mul(input(3)) : dy;
        }

        Tensor byScale() {
            Tensor weighted = b.has(1) ? n().mul(input(1)) : n();
            return dy.mul(b.has(2) ? weighted.add(input(2)) : weighted);
        }

        Tensor byInput() {
            Tensor moved = moved();
            Tensor r = r(moved); // (..., 1)
            Tensor n = moved.mul(r);
            Tensor d = b.has(1) ? learned().mul(input(1)) : learned();
            Tensor inner = centred ? d.sub(d.mean(-1)) : d;
            return inner.sub(n.mul(d.mul(n).mean(-1))).mul(r);
        }
    }
}
