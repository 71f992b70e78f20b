package dev.palimpsest.bench.compare;

import dev.palimpsest.bench.Shapes.Conv;
import dev.palimpsest.bench.peers.OneDnn;
import dev.palimpsest.bench.peers.OnnxRuntime;
import dev.palimpsest.bench.peers.Torch;
import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.Convolution;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Epilogue;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.PackedFilter;
import dev.palimpsest.kernels.Shape;
import java.util.List;
import java.util.Locale;

/// Planar convolutions of the autoencoders with a bias, channels innermost: the layout in which libtorch is fastest,
/// too. It has no form of a convolution that takes an output; oneDNN gets weights that are laid out once. ONNX Runtime
/// knows channels outermost only.
final class Convolutions {
    private final Conv shape;
    private final Field field;
    private final NdArray bias;

    private Convolutions(Conv shape, Field field) {
        this.shape = shape;
        this.field = field;
        bias = field.random(DType.F32, shape.weight().dim(0));
    }

    /// What is convolved, of one type.
    ///
    /// @param input `(1, H, W, C)`
    /// @param weight `(O, kH, kW, C)`
    private record Operands(DType type, NdArray input, NdArray weight) {}

    /// Measures everything.
    static void measure(Session session) {
        List<Conv> shapes = session.quick()
                ? List.of(Conv.BLOCK_128, Conv.BLOCK_256, Conv.BLOCK_512)
                : List.of(
                        Conv.ENCODER_IN,
                        Conv.BLOCK_128,
                        Conv.BLOCK_256_TO_128,
                        Conv.BLOCK_256,
                        Conv.BLOCK_512,
                        Conv.BLOCK_512_SMALL,
                        Conv.DOWN_128,
                        Conv.SHORTCUT,
                        Conv.DECODER_IN,
                        Conv.DECODER_OUT);
        for (Conv shape : shapes) {
            try (Field field = new Field(session)) {
                new Convolutions(shape, field).measure();
            }
        }
    }

    private void measure() {
        NdArray input = field.random(DType.BF16, last(shape.input()));
        NdArray weight = field.random(DType.BF16, last(shape.weight()));
        Operands narrow = new Operands(DType.BF16, input, weight);
        Operands wide = new Operands(DType.F32, field.converted(input, DType.F32), field.converted(weight, DType.F32));
        field.ours("f32", k -> ours(k, wide.input(), wide.weight(), Arithmetic.F32));
        field.best("bf16", k -> ours(k, wide.input(), narrow.weight(), Arithmetic.BF16));
        Convolution g = shape.geometry();
        boolean even = g.top() == g.bottom() && g.left() == g.right();
        for (Operands in : List.of(wide, narrow)) {
            String label = in.type().label();
            if (even) {
                field.torch(label, torch -> libtorch(torch, in));
            }
            field.oneDnn(label, dnn -> oneDnn(dnn, in));
        }
        field.onnxRuntime("f32", runtime -> onnxRuntime(runtime, wide));
        field.compare(contest("f32", Roof.F32, 1e-5, ""), "f32");
        field.compare(contest("bf16", Roof.BF16, 5e-3, "theirs reads and writes bf16, ours f32"), "bf16");
        field.measure();
    }

    private Contest contest(String dtype, Roof roof, double tolerance, String note) {
        String name = shape.name().toLowerCase(Locale.ROOT) + " " + shape.input() + "*" + shape.weight();
        return new Contest("conv", name, dtype, shape.gflop(), "GFLOP/s", roof, tolerance, note);
    }

    private Contestant ours(Kernels kernels, NdArray input, NdArray weight, Arithmetic arithmetic) {
        Convolution op = shape.geometry().in(arithmetic);
        NdArray out = field.zeros(DType.F32, last(shape.output()));
        PackedFilter packed = kernels.packFilter(first(weight, true), arithmetic, field.arena());
        NdArray x = first(input, true);
        NdArray y = first(out, true);
        return Contestant.writing(
                kernels.name(), () -> kernels.convolution(op, x, packed, y, Epilogue.bias(bias)), () -> out);
    }

    private Contestant libtorch(Torch torch, Operands in) {
        long[] stride = {shape.geometry().strideH(), shape.geometry().strideW()};
        long[] padding = {shape.geometry().top(), shape.geometry().left()};
        NdArray result = field.zeros(DType.F32, last(shape.output()));
        Torch.Value x = torch.of(first(in.input(), false));
        Torch.Value w = torch.of(first(in.weight(), false));
        Torch.Value b = torch.of(in.type() == DType.F32 ? bias : field.converted(bias, in.type()));
        return new Contestant("libtorch", () -> torch.scope(() -> torch.convolution(x, w, b, stride, padding)), () -> {
            torch.scope(() -> result.memory()
                    .copyFrom(torch.data(torch.to(torch.convolution(x, w, b, stride, padding), DType.F32))));
            return result;
        });
    }

    private Contestant oneDnn(OneDnn dnn, Operands in) {
        NdArray out = field.zeros(in.type(), last(shape.output()));
        Runnable primitive = dnn.convolution(
                field.arena(),
                shape.geometry(),
                first(in.input(), false),
                first(in.weight(), false),
                bias,
                first(out, false))::run;
        return Contestant.writing("onednn", primitive, () -> field.converted(out, DType.F32));
    }

    private Contestant onnxRuntime(OnnxRuntime runtime, Operands in) {
        NdArray x = field.converted(first(in.input(), false), DType.F32); // (1, C, H, W)
        NdArray w = field.converted(first(in.weight(), false), DType.F32); // (O, C, kH, kW)
        Shape out = shape.output();
        NdArray y = field.zeros(DType.F32, out.dim(0), out.dim(1), out.dim(3), out.dim(4));
        OnnxRuntime.Session model = runtime.convolution(field.arena(), shape.geometry(), x, w, bias, y);
        return Contestant.writing(
                "onnxruntime", model::run, () -> field.converted(y.permute(0, 2, 3, 1), DType.F32), model::close);
    }

    /// Extents with the channels behind and without time.
    private static int[] last(Shape shape) {
        return new int[] {shape.dim(0), shape.dim(3), shape.dim(4), shape.dim(1)};
    }

    /// The channels in front again, with or without an axis for time.
    private static NdArray first(NdArray x, boolean time) {
        return time
                ? Field.reshaped(x, x.dim(0), 1, x.dim(1), x.dim(2), x.dim(3)).permute(0, 4, 1, 2, 3)
                : x.permute(0, 3, 1, 2);
    }
}
