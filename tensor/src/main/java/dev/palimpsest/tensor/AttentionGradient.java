package dev.palimpsest.tensor;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.KeyRanges;
import dev.palimpsest.kernels.Shape;

/// The gradient of attention, a few query rows at a time, so that the matrix of scores exists only in strips.
///
/// For the scores `s = scale q k^T + bias` of a strip, probabilities `p = softmax(s)` and `o = p v`: `dv = p^T do`,
/// `dp = do v^T`, `ds = p (dp - sum(p dp))`, `dq = scale ds k`, `dk = scale ds^T q` (Dao et al. 2022, arXiv
/// 2205.14135, appendix B). The probabilities are computed again.
final class AttentionGradient {
    private static final long STRIP_ELEMENTS = 4 << 20;
    /// Far below every score, but finite, so that a row in which all keys are hidden has no undefined numbers.
    private static final double HIDDEN = -1e30;

    private final double scale;
    private final KeyRanges visible;
    private final Backward b;
    private final Tensor q; // (heads, Lq, headDim)
    private final Tensor k; // (heads, Lk, headDim)
    private final Tensor v; // (heads, Lk, valueDim)
    private final Tensor dOut; // (heads, Lq, valueDim)

    AttentionGradient(double scale, KeyRanges visible, Backward b) {
        this.scale = scale;
        this.visible = visible;
        this.b = b;
        this.q = b.input(0).permute(1, 0, 2);
        this.k = b.input(1).permute(1, 0, 2);
        this.v = b.input(2).permute(1, 0, 2);
        this.dOut = b.gradient().permute(1, 0, 2);
    }

    void run() {
        for (int i = 0; i < 4; i++) {
            b.into(i, sum -> {}); // queries that see nothing and keys that nobody sees have a gradient of 0
        }
        long perRow = Math.max(1, (long) q.dim(0) * k.dim(1));
        int rows = Math.clamp(STRIP_ELEMENTS / perRow, 1, 1024);
        for (int row = 0; row < q.dim(1); row += rows) {
            int start = row;
            int end = Math.min(row + rows, q.dim(1));
            Scope.run(() -> {
                strip(start, end);
                return null;
            });
        }
    }

    private void strip(int start, int end) {
        int from = Integer.MAX_VALUE;
        int to = 0;
        boolean alike = true;
        for (int i = start; i < end; i++) {
            alike &= visible.from(i) == visible.from(start) && visible.to(i) == visible.to(start);
            if (visible.from(i) < visible.to(i)) {
                from = Math.min(from, visible.from(i));
                to = Math.max(to, visible.to(i));
            }
        }
        if (from < to) {
            gradients(start, end, from, to, alike);
        }
    }

    private void gradients(int start, int end, int from, int to, boolean alike) {
        Tensor queries = q.slice(1, start, end); // (heads, rows, headDim)
        Tensor keys = k.slice(1, from, to); // (heads, keys, headDim)
        Tensor dRows = dOut.slice(1, start, end); // (heads, rows, valueDim)
        Tensor p = probabilities(queries, keys, start, from, alike); // (heads, rows, keys)
        b.into(
                2,
                dv -> dv.slice(0, from, to)
                        .addInPlace(p.transpose(1, 2).matmul(dRows).permute(1, 0, 2)));
        if (!b.wants(0) && !b.wants(1) && !b.wants(3)) {
            return;
        }
        Tensor dp = dRows.matmul(v.slice(1, from, to).transpose(1, 2)); // (heads, rows, keys)
        Tensor ds = dp.sub(dp.mul(p).sum(-1)).mul(p); // (heads, rows, keys)
        b.into(
                0,
                dq -> dq.slice(0, start, end)
                        .addInPlace(ds.matmul(keys).mul(scale).permute(1, 0, 2)));
        b.into(
                1,
                dk -> dk.slice(0, from, to)
                        .addInPlace(
                                ds.transpose(1, 2).matmul(queries).mul(scale).permute(1, 0, 2)));
        b.into(3, sum -> {
            Tensor part = part(sum, start, end, from, to);
            part.addInPlace(sumTo(ds, part.shape()));
        });
    }

    private Tensor probabilities(Tensor queries, Tensor keys, int start, int from, boolean alike) {
        int rows = queries.dim(1);
        Tensor scores = queries.matmul(keys.transpose(1, 2)).mul(scale); // (heads, rows, keys)
        if (b.has(3)) {
            scores = scores.add(part(b.input(3), start, start + rows, from, from + keys.dim(1)));
        }
        if (alike && !b.has(3)) {
            return scores.softmax();
        }
        Tensor hidden = Tensor.full(DType.F32, Shape.scalar(), HIDDEN);
        Tensor shown = alike ? scores : mask(start, rows, from, keys.dim(1)).where(scores, hidden);
        Tensor seen = hidden.lt(shown); // a bias of negative infinity hides, too
        Tensor zero = Tensor.scalar(0);
        return seen.where(shown.maximum(hidden).softmax(), zero);
    }

    /// The strip of something that stretches to `(heads, Lq, Lk)`, with three axes. A view.
    private static Tensor part(Tensor bias, int start, int end, int from, int to) {
        Tensor whole = bias;
        while (whole.rank() < 3) {
            whole = whole.unsqueeze(0);
        }
        Tensor some = whole.dim(1) == 1 ? whole : whole.slice(1, start, end);
        return some.dim(2) == 1 ? some : some.slice(2, from, to);
    }

    private static Tensor sumTo(Tensor x, Shape to) {
        Tensor sum = x;
        for (int axis = 0; axis < to.rank(); axis++) {
            sum = to.dim(axis) == 1 ? sum.sum(axis) : sum;
        }
        return sum;
    }

    /// Which keys of a strip each of its queries sees, `(rows, keys)`.
    private Tensor mask(int start, int rows, int from, int keys) {
        Tensor mask = Tensor.full(DType.BOOL, Shape.of(rows, keys), 0);
        for (int i = 0; i < rows; i++) {
            int first = Math.clamp(visible.from(start + i) - from, 0, keys);
            int end = Math.clamp(visible.to(start + i) - from, first, keys);
            mask.slice(0, i, i + 1).slice(1, first, end).fillInPlace(1);
        }
        return mask;
    }
}
