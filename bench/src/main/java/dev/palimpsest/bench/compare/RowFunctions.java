package dev.palimpsest.bench.compare;

import dev.palimpsest.bench.Shapes.Rows;
import dev.palimpsest.bench.peers.Torch;
import dev.palimpsest.kernels.Affine;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Unary;
import java.util.List;
import java.util.Locale;
import java.util.function.BiConsumer;

/// Functions of single elements and of rows. libtorch writes to outputs allocated beforehand, but for layer and RMS
/// normalisation, which it does not offer in that form; the script sets the C library's allocator such that it reuses
/// memory instead of asking the system for fresh pages.
final class RowFunctions {
    private static final float EPS = 1e-6f;

    private RowFunctions() {}

    /// Measures everything.
    static void measure(Session session) {
        elements(session, "exp", Unary.EXP, Rows.SMALL, (t, v) -> t.exp(v[0], v[1]));
        elements(session, "exp", Unary.EXP, Rows.VINCIE, (t, v) -> t.exp(v[0], v[1]));
        elements(session, "silu", Unary.SILU, Rows.SMALL, (t, v) -> t.silu(v[0], v[1]));
        elements(session, "silu", Unary.SILU, Rows.VINCIE_MLP, (t, v) -> t.silu(v[0], v[1]));
        elements(session, "gelu_tanh", Unary.GELU_TANH, Rows.SMALL, (t, v) -> t.gelu(v[0], true, v[1]));
        elements(session, "gelu_tanh", Unary.GELU_TANH, Rows.INFINITY_MLP, (t, v) -> t.gelu(v[0], true, v[1]));
        elements(session, "gelu", Unary.GELU, Rows.SMALL, (t, v) -> t.gelu(v[0], false, v[1]));
        for (Rows shape : List.of(Rows.SCORES, Rows.PROMPT_SCORES, Rows.VOCABULARY)) {
            compare(session, "softmax", shape, Kernels::softmax, (t, v) -> t.softmax(v[0], v[1]));
        }
        for (Rows shape : List.of(Rows.SMALL, Rows.VINCIE, Rows.VINCIE_HEADS, Rows.QWEN)) {
            rmsNorm(session, shape);
        }
        for (Rows shape : List.of(Rows.SMALL, Rows.INFINITY)) {
            layerNorm(session, shape);
        }
    }

    /// One of ours.
    private interface Ours {
        void call(Kernels kernels, NdArray x, NdArray out);
    }

    private static void elements(
            Session session, String name, Unary op, Rows shape, BiConsumer<Torch, Torch.Value[]> theirs) {
        compare(session, name, shape, (k, x, out) -> k.unary(op, x, out), theirs);
    }

    private static void compare(
            Session session, String name, Rows shape, Ours ours, BiConsumer<Torch, Torch.Value[]> theirs) {
        try (Field field = new Field(session)) {
            NdArray x = field.random(DType.F32, shape.rows(), shape.width());
            ours(field, x, ours);
            field.torch("f32", torch -> {
                NdArray out = field.zeros(DType.F32, shape.rows(), shape.width());
                Torch.Value[] values = {torch.of(x), torch.of(out)};
                return Contestant.writing("libtorch", () -> theirs.accept(torch, values), () -> out);
            });
            field.compare(contest(name, shape, ""), "f32");
            field.measure();
        }
    }

    private static void rmsNorm(Session session, Rows shape) {
        try (Field field = new Field(session)) {
            NdArray x = field.random(DType.F32, shape.rows(), shape.width());
            NdArray weight = field.random(DType.F32, shape.width());
            Affine affine = Affine.learned(weight, null);
            ours(field, x, (k, in, out) -> k.rmsNorm(in, EPS, affine, out));
            field.torch("f32", torch -> {
                Torch.Value in = torch.of(x);
                Torch.Value w = torch.of(weight);
                return Field.torchMaking(
                        torch,
                        field.zeros(DType.F32, shape.rows(), shape.width()),
                        t -> t.rmsNorm(in, shape.width(), w, EPS));
            });
            field.compare(contest("rmsnorm", shape, "libtorch composes it of several ops and allocates"), "f32");
            field.measure();
        }
    }

    private static void layerNorm(Session session, Rows shape) {
        try (Field field = new Field(session)) {
            NdArray x = field.random(DType.F32, shape.rows(), shape.width());
            NdArray weight = field.random(DType.F32, shape.width());
            NdArray bias = field.random(DType.F32, shape.width());
            Affine affine = Affine.learned(weight, bias);
            ours(field, x, (k, in, out) -> k.layerNorm(in, EPS, affine, out));
            field.torch("f32", torch -> {
                Torch.Value in = torch.of(x);
                Torch.Value w = torch.of(weight);
                Torch.Value b = torch.of(bias);
                return Field.torchMaking(
                        torch,
                        field.zeros(DType.F32, shape.rows(), shape.width()),
                        t -> t.layerNorm(in, shape.width(), w, b, EPS));
            });
            field.compare(contest("layernorm", shape, "libtorch allocates its output"), "f32");
            field.measure();
        }
    }

    private static void ours(Field field, NdArray x, Ours ours) {
        field.portable("f32", k -> {
            NdArray out = field.zeros(DType.F32, x.shape().dims());
            return Contestant.writing(k.name(), () -> ours.call(k, x, out), () -> out);
        });
    }

    private static Contest contest(String name, Rows shape, String note) {
        return new Contest(
                "rows",
                name + " " + shape.name().toLowerCase(Locale.ROOT) + " " + shape.rows() + "x" + shape.width(),
                "f32",
                1e-9 * shape.elements(),
                "Gelt/s",
                Roof.NONE,
                1e-5,
                note);
    }
}
