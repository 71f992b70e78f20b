package dev.palimpsest.tensor;

import dev.palimpsest.kernels.Activation;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Epilogue;
import dev.palimpsest.kernels.KeyRanges;
import dev.palimpsest.kernels.Shape;

/// The gradient of attention, some heads and query rows at a time, so that the matrix of scores exists only in strips
/// that stay in the caches.
///
/// For the scores `s = scale q k^T + bias` of a strip, probabilities `p = softmax(s)` and `o = p v`: `dv = p^T do`,
/// `dp = do v^T`, `ds = p (dp - sum(o do))`, `dq = scale ds k`, `dk = scale ds^T q` (Dao et al. 2022, arXiv
/// 2205.14135, appendix B). The probabilities are computed again.
final class AttentionGradient {
    /// Scores of a strip: of these there are two matrices at a time.
    private static final long STRIP_ELEMENTS = 1 << 20;

    /// Rows of a strip at most: enough that the keys and values that go with them are a small part of the work.
    private static final int MOST_ROWS = 512;

    /// Rows that see the same keys get a strip of their own if there are so many of them; fewer share one, with a
    /// mask.
    private static final int FEW_ROWS = 64;

    /// Far below every score, but finite, so that a row in which all keys are hidden has no undefined numbers.
    private static final double HIDDEN = -1e30;

    private final double scale;
    private final KeyRanges visible;
    private final Backward b;
    private final Tensor q; // (heads, Lq, headDim)
    private final Tensor k; // (heads, Lk, headDim)
    private final Tensor v; // (heads, Lk, valueDim)
    private final Tensor dOut; // (heads, Lq, valueDim)
    private final Tensor minusSums; // (heads, Lq, 1), -sum(o do)

    AttentionGradient(double scale, KeyRanges visible, Backward b) {
        this.scale = scale;
        this.visible = visible;
        this.b = b;
        this.q = b.input(0).permute(1, 0, 2);
        this.k = b.input(1).permute(1, 0, 2);
        this.v = b.input(2).permute(1, 0, 2);
        this.dOut = b.gradient().permute(1, 0, 2);
        this.minusSums =
                Scope.run(() -> b.gradient().mul(b.output()).sum(-1).neg()).permute(1, 0, 2);
    }

    void run() {
        for (int i = 0; i < 4; i++) {
            b.into(i, sum -> {}); // queries that see nothing and keys that nobody sees have a gradient of 0
        }
        for (int row = 0; row < q.dim(1); ) {
            int end = stripEnd(row);
            strip(row, end);
            row = end;
        }
    }

    /// The end of the rows from `row` on that see the same keys.
    private int alikeEnd(int row) {
        int end = row + 1;
        while (end < q.dim(1) && visible.from(end) == visible.from(row) && visible.to(end) == visible.to(row)) {
            end++;
        }
        return end;
    }

    private int stripEnd(int row) {
        int end = alikeEnd(row);
        if (end - row >= FEW_ROWS) {
            // equal parts, none much shorter than the others
            int parts = Math.ceilDiv(end - row, MOST_ROWS);
            return row + Math.ceilDiv(end - row, parts);
        }
        while (end < q.dim(1) && end - row < FEW_ROWS) {
            int next = alikeEnd(end);
            if (next - end >= FEW_ROWS) {
                return end;
            }
            end = next;
        }
        return end;
    }

    private void strip(int start, int end) {
        int from = Integer.MAX_VALUE;
        int to = 0;
        for (int i = start; i < end; i++) {
            if (visible.from(i) < visible.to(i)) {
                from = Math.min(from, visible.from(i));
                to = Math.max(to, visible.to(i));
            }
        }
        if (from >= to) {
            return;
        }
        Strip rows = new Strip(start, end, from, to, alikeEnd(start) >= end);
        long perHead = (long) (end - start) * (to - from);
        int heads = Math.clamp(STRIP_ELEMENTS / perHead, 1, q.dim(0));
        for (int head = 0; head < q.dim(0); head += heads) {
            int first = head;
            int last = Math.min(head + heads, q.dim(0));
            Scope.run(() -> {
                gradients(rows, first, last);
                return null;
            });
        }
    }

    /// Queries `start` to `end`, which see some of the keys `from` to `to`.
    ///
    /// @param alike whether all of them see all of these
    private record Strip(int start, int end, int from, int to, boolean alike) {
        int rows() {
            return end - start;
        }

        int keys() {
            return to - from;
        }
    }

    private void gradients(Strip s, int first, int last) {
        Tensor queries = part(q, first, last, s.start, s.end).mul(scale); // (heads, rows, headDim)
        Tensor keys = part(k, first, last, s.from, s.to); // (heads, keys, headDim)
        Tensor dRows = part(dOut, first, last, s.start, s.end); // (heads, rows, valueDim)
        Tensor p = probabilities(queries, keys, s, first, last); // (heads, rows, keys)
        b.into(
                2,
                dv -> dv.slice(0, s.from, s.to)
                        .slice(1, first, last)
                        .addInPlace(p.transpose(1, 2).matmul(dRows).permute(1, 0, 2)));
        if (!b.wants(0) && !b.wants(1) && !b.wants(3)) {
            return;
        }
        Tensor sums = part(minusSums, first, last, s.start, s.end); // (heads, rows, 1)
        Tensor values = part(v, first, last, s.from, s.to); // (heads, keys, valueDim)
        Tensor ds = product(dRows, values, sums).mulInPlace(p); // (heads, rows, keys)
        b.into(
                0,
                dq -> dq.slice(0, s.start, s.end)
                        .slice(1, first, last)
                        .addInPlace(ds.matmul(keys).mul(scale).permute(1, 0, 2)));
        b.into(
                1,
                dk -> dk.slice(0, s.from, s.to)
                        .slice(1, first, last)
                        .addInPlace(ds.transpose(1, 2).matmul(queries).permute(1, 0, 2)));
        b.into(3, sum -> {
            Tensor some = biasPart(sum, s, first, last);
            some.addInPlace(sumTo(ds, some.shape()));
        });
    }

    /// `a b^T + term` in one kernel.
    ///
    /// @param a `(heads, rows, n)`
    /// @param other `(heads, keys, n)`
    /// @param term `(heads, rows, 1)`
    private static Tensor product(Tensor a, Tensor other, Tensor term) {
        Shape shape = Shape.of(a.dim(0), a.dim(1), other.dim(1));
        Tensor out = Tensor.empty(DType.F32, shape);
        Epilogue add = new Epilogue(null, Activation.NONE, null, term.array().expand(shape));
        Backend.kernels().matmul(a.array(), other.array().transpose(1, 2), out.array(), add);
        return out;
    }

    private Tensor probabilities(Tensor queries, Tensor keys, Strip s, int first, int last) {
        Tensor scores = queries.matmul(keys.transpose(1, 2)); // (heads, rows, keys)
        if (b.has(3)) {
            scores = scores.add(biasPart(b.input(3), s, first, last));
        }
        if (s.alike && !b.has(3)) {
            return scores.softmax();
        }
        Tensor hidden = Tensor.full(DType.F32, Shape.scalar(), HIDDEN);
        Tensor shown = s.alike ? scores : mask(s).where(scores, hidden);
        Tensor seen = hidden.lt(shown); // a bias of negative infinity hides, too
        Tensor zero = Tensor.scalar(0);
        return seen.where(shown.maximum(hidden).softmax(), zero);
    }

    /// Some heads and rows. A view.
    private static Tensor part(Tensor t, int first, int last, int start, int end) {
        return t.slice(0, first, last).slice(1, start, end);
    }

    /// The strip of something that stretches to `(heads, Lq, Lk)`, with three axes. A view.
    private static Tensor biasPart(Tensor bias, Strip s, int first, int last) {
        Tensor part = bias;
        while (part.rank() < 3) {
            part = part.unsqueeze(0);
        }
        part = part.dim(0) == 1 ? part : part.slice(0, first, last);
        part = part.dim(1) == 1 ? part : part.slice(1, s.start, s.end);
        return part.dim(2) == 1 ? part : part.slice(2, s.from, s.to);
    }

    private static Tensor sumTo(Tensor x, Shape to) {
        Tensor sum = x;
        for (int axis = 0; axis < to.rank(); axis++) {
            sum = to.dim(axis) == 1 ? sum.sum(axis) : sum;
        }
        return sum;
    }

    /// Which keys of a strip each of its queries sees, `(rows, keys)`.
    private Tensor mask(Strip s) {
        Tensor mask = Tensor.full(DType.BOOL, Shape.of(s.rows(), s.keys()), 0);
        for (int i = 0; i < s.rows(); i++) {
            int first = Math.clamp(visible.from(s.start + i) - s.from, 0, s.keys());
            int end = Math.clamp(visible.to(s.start + i) - s.from, first, s.keys());
            mask.slice(0, i, i + 1).slice(1, first, end).fillInPlace(1);
        }
        return mask;
    }
}
