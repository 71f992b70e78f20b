package dev.palimpsest.bench.compare;

import dev.palimpsest.bench.Shapes.Heads;
import dev.palimpsest.bench.peers.Torch;
import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.Attention;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.KeyRanges;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Shape;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/// Attention on queries, keys and values as projections leave them, a token's heads next to each other; ours are f32
/// in both arithmetics. libtorch reads them through views with the heads in front, which its kernel accepts as they
/// are, and makes its own output.
final class Attentions {
    /// Heads of long sequences when time is short; one costs as much as another.
    private static final int FEW_HEADS = 8;

    private Attentions() {}

    /// Measures everything.
    static void measure(Session session) {
        if (session.quick()) {
            measure(session, Heads.INFINITY_1024, Heads.INFINITY_1024.heads());
            measure(session, Heads.VINCIE_4096, FEW_HEADS);
            measure(session, Heads.VINCIE_BLOCK_CAUSAL, FEW_HEADS);
        } else {
            for (Heads shape : Heads.values()) {
                measure(session, shape, shape.heads());
            }
        }
    }

    /// @param heads how many of the model's are computed
    private static void measure(Session session, Heads shape, int heads) {
        boolean dense = isDense(shape.visible());
        try (Field field = new Field(session)) {
            Operands narrow = Operands.random(field, shape, heads);
            Operands wide = narrow.converted(field, DType.F32);
            field.ours("f32", k -> wide.ours(field, k, Arithmetic.F32));
            field.best("bf16", k -> wide.ours(field, k, Arithmetic.BF16));
            field.torch("f32", torch -> wide.libtorch(field, torch));
            String note = dense ? "" : "libtorch computes hidden pairs, too: it gets a mask";
            field.compare(contest(shape, heads, DType.F32, 1e-5, note), "f32");
            if (dense || !session.quick()) {
                field.torch("bf16", torch -> narrow.libtorch(field, torch));
                field.compare(contest(shape, heads, DType.BF16, 1e-2, note), "bf16");
            }
            String own = "beside the same provider's f32";
            field.compareOwn(contest(shape, heads, DType.BF16, 1e-2, own), "bf16", "f32", "own f32");
            if (shape == Heads.VINCIE_BLOCK_CAUSAL) {
                besideAllPairs(field, shape, wide);
            }
            field.measure();
        }
    }

    private static void besideAllPairs(Field field, Heads shape, Operands in) {
        int length = shape.visible().queries();
        double pairs = (double) length * length / shape.pairs();
        Operands full = new Operands(KeyRanges.full(length, length), in.scale(), in.q(), in.k(), in.v());
        field.ours("full", k -> full.ours(field, k, Arithmetic.F32));
        String note = String.format(
                Locale.ROOT,
                "beside all pairs of the same tokens; in proportion to visible pairs the ratio is %.2f",
                pairs);
        field.compareOwn(
                contest(shape, in.q().dim(1), DType.F32, Double.POSITIVE_INFINITY, note), "f32", "full", "own full");
    }

    private static Contest contest(Heads shape, int heads, DType type, double tolerance, String note) {
        KeyRanges visible = shape.visible();
        String name = shape.name().toLowerCase(Locale.ROOT) + " " + visible.queries() + "x" + visible.keys() + "x"
                + heads + "x" + shape.width();
        return new Contest(
                "attention",
                name,
                type.label(),
                shape.gflop() * heads / shape.heads(),
                "GFLOP/s",
                type == DType.F32 ? Roof.F32 : Roof.BF16,
                tolerance,
                heads == shape.heads() ? note : note + (note.isEmpty() ? "" : "; ") + heads + " of the heads");
    }

    private static boolean isDense(KeyRanges visible) {
        for (int i = 0; i < visible.queries(); i++) {
            if (visible.from(i) != 0 || visible.to(i) != visible.keys()) {
                return false;
            }
        }
        return true;
    }

    /// What attention reads.
    ///
    /// @param q `(Lq, heads, width)`
    /// @param k `(Lk, heads, width)`
    /// @param v `(Lk, heads, width)`
    private record Operands(KeyRanges visible, float scale, NdArray q, NdArray k, NdArray v) {

        static Operands random(Field field, Heads shape, int heads) {
            int queries = shape.visible().queries();
            int keys = shape.visible().keys();
            return new Operands(
                    shape.visible(),
                    (float) (1 / Math.sqrt(shape.width())),
                    field.random(DType.BF16, queries, heads, shape.width()),
                    field.random(DType.BF16, keys, heads, shape.width()),
                    field.random(DType.BF16, keys, heads, shape.width()));
        }

        Operands converted(Field field, DType type) {
            return new Operands(
                    visible, scale, field.converted(q, type), field.converted(k, type), field.converted(v, type));
        }

        Contestant ours(Field field, Kernels kernels, Arithmetic arithmetic) {
            NdArray out = field.zeros(DType.F32, q.shape().dims());
            Attention op = Attention.of(scale, visible).withArithmetic(arithmetic);
            return Contestant.writing(kernels.name(), () -> kernels.attention(op, q, k, v, out), () -> out);
        }

        Contestant libtorch(Field field, Torch torch) {
            NdArray result = field.zeros(DType.F32, q.shape().dims());
            Torch.Value tq = torch.of(headsFirst(q));
            Torch.Value tk = torch.of(headsFirst(k));
            Torch.Value tv = torch.of(headsFirst(v));
            Torch.Value mask = isDense(visible) ? null : torch.of(mask(field));
            return new Contestant("libtorch", () -> torch.scope(() -> attend(torch, tq, tk, tv, mask)), () -> {
                torch.scope(() -> {
                    Torch.Value y = torch.permute(attend(torch, tq, tk, tv, mask), 0, 2, 1, 3); // (1, Lq, heads, width)
                    Torch.Value flat = torch.reshape(y, q.shape().elements());
                    result.memory().copyFrom(torch.data(torch.to(flat, DType.F32)));
                });
                return result;
            });
        }

        private Torch.Value attend(
                Torch torch, Torch.Value q, Torch.Value k, Torch.Value v, Torch.@Nullable Value mask) {
            return torch.attention(q, k, v, mask, false, scale);
        }

        /// `(1, heads, L, width)`
        private static NdArray headsFirst(NdArray x) {
            long[] strides = {x.shape().elements(), x.stride(1), x.stride(0), x.stride(2)};
            return NdArray.of(x.memory(), x.dtype(), Shape.of(1, x.dim(1), x.dim(0), x.dim(2)), strides, 0);
        }

        /// `(Lq, Lk)`, 0 for visible and minus infinity for hidden pairs.
        private NdArray mask(Field field) {
            NdArray mask = field.zeros(DType.F32, visible.queries(), visible.keys());
            for (int i = 0; i < visible.queries(); i++) {
                for (int j = 0; j < visible.keys(); j++) {
                    if (j < visible.from(i) || j >= visible.to(i)) {
                        mask.set(Double.NEGATIVE_INFINITY, i, j);
                    }
                }
            }
            return field.converted(mask, q.dtype());
        }
    }
}
