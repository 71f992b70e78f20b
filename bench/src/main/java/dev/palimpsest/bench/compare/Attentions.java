package dev.palimpsest.bench.compare;

import dev.palimpsest.bench.Shapes.Heads;
import dev.palimpsest.bench.compare.Session.Contest;
import dev.palimpsest.bench.peers.Torch;
import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.Attention;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.KeyRanges;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Shape;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/// Attention on queries, keys and values as projections leave them, a token's heads next to each other; ours are f32
/// in both arithmetics. libtorch reads them through views with the heads in front, which its kernel accepts as they
/// are, and makes its own output.
final class Attentions {
    private Attentions() {}

    /// Measures everything.
    static void measure(Session session) {
        List<Heads> shapes = session.quick()
                ? List.of(Heads.INFINITY_1024, Heads.VINCIE_4096, Heads.VINCIE_BLOCK_CAUSAL)
                : List.of(Heads.values());
        for (Heads shape : shapes) {
            for (DType type : List.of(DType.F32, DType.BF16)) {
                withLibtorch(session, shape, type);
            }
            bf16BesideF32(session, shape);
        }
        blockCausalBesideFull(session);
    }

    private static void withLibtorch(Session session, Heads shape, DType type) {
        try (Field field = new Field(session)) {
            Operands in = Operands.random(field, shape, type);
            Operands wide = type == DType.F32 ? in : in.converted(field, DType.F32);
            Arithmetic arithmetic = type == DType.F32 ? Arithmetic.F32 : Arithmetic.BF16;
            field.ours(k -> wide.ours(field, k, k.name(), arithmetic));
            field.torch(torch -> in.libtorch(field, torch));
            boolean dense = isDense(shape.visible());
            field.measure(
                    contest(session, shape, type, dense ? "" : "libtorch computes hidden pairs, too: it gets a mask"));
        }
    }

    private static void bf16BesideF32(Session session, Heads shape) {
        for (Kernels kernels : session.providers()) {
            try (Field field = new Field(session)) {
                Operands in = Operands.random(field, shape, DType.F32);
                field.ours(kernels, k -> in.ours(field, k, k.name(), Arithmetic.BF16));
                field.own(in.ours(field, kernels, "own f32", Arithmetic.F32));
                field.measure(contest(session, shape, DType.BF16, "beside the same provider's f32"));
            }
        }
    }

    private static void blockCausalBesideFull(Session session) {
        Heads shape = Heads.VINCIE_BLOCK_CAUSAL;
        int length = shape.visible().queries();
        double all = 4e-9 * length * length * shape.heads() * shape.width();
        for (Kernels kernels : session.providers()) {
            try (Field field = new Field(session)) {
                Operands in = Operands.random(field, shape, DType.F32);
                Operands full = new Operands(KeyRanges.full(length, length), in.scale(), in.q(), in.k(), in.v());
                field.ours(kernels, k -> in.ours(field, k, k.name(), Arithmetic.F32));
                field.own(full.ours(field, kernels, "own full", Arithmetic.F32));
                Contest c = contest(session, shape, DType.F32, "");
                field.measure(new Contest(
                        "attention",
                        c.shape(),
                        c.dtype(),
                        c.work(),
                        c.unit(),
                        c.roof(),
                        Double.POSITIVE_INFINITY,
                        String.format(
                                Locale.ROOT,
                                "beside all pairs of the same tokens; in proportion to visible pairs the ratio is %.2f",
                                all / shape.gflop())));
            }
        }
    }

    private static Contest contest(Session session, Heads shape, DType type, String note) {
        KeyRanges visible = shape.visible();
        return new Contest(
                "attention",
                shape.name().toLowerCase(Locale.ROOT) + " " + visible.queries() + "x" + visible.keys() + "x"
                        + shape.heads() + "x" + shape.width(),
                type.label(),
                shape.gflop(),
                "GFLOP/s",
                type == DType.F32 ? session.roofs().f32() : session.roofs().bf16(),
                type == DType.F32 ? 1e-5 : 1e-2,
                note);
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

        static Operands random(Field field, Heads shape, DType type) {
            int queries = shape.visible().queries();
            int keys = shape.visible().keys();
            return new Operands(
                    shape.visible(),
                    (float) (1 / Math.sqrt(shape.width())),
                    field.random(type, queries, shape.heads(), shape.width()),
                    field.random(type, keys, shape.heads(), shape.width()),
                    field.random(type, keys, shape.heads(), shape.width()));
        }

        Operands converted(Field field, DType type) {
            return new Operands(
                    visible, scale, field.converted(q, type), field.converted(k, type), field.converted(v, type));
        }

        Contestant ours(Field field, Kernels kernels, String name, Arithmetic arithmetic) {
            NdArray out = field.zeros(DType.F32, q.shape().dims());
            Attention op = Attention.of(scale, visible).withArithmetic(arithmetic);
            return new Contestant(name, () -> kernels.attention(op, q, k, v, out), () -> out);
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
