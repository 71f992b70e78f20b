package dev.palimpsest.bench.compare;

import dev.palimpsest.bench.Shapes.Conv;
import dev.palimpsest.bench.compare.Session.Contest;
import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.Convolution;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Epilogue;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.PackedFilter;
import dev.palimpsest.kernels.Shape;
import java.util.List;
import java.util.Locale;

/// Planar convolutions of the autoencoders with a bias, channels innermost: the layout in which libtorch is fastest,
/// too. It has no form of a convolution that takes an output; oneDNN gets weights that are laid out once. ONNX Runtime
/// knows channels outermost only.
final class Convolutions {
    private Convolutions() {}

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
            measure(session, shape, DType.F32);
            measure(session, shape, DType.BF16);
        }
    }

    private static void measure(Session session, Conv shape, DType type) {
        try (Field field = new Field(session)) {
            NdArray input = field.random(type, last(shape.input())); // (1, H, W, C)
            NdArray wide = type == DType.F32 ? input : field.converted(input, DType.F32); // (1, H, W, C)
            NdArray weight = field.random(type, last(shape.weight())); // (O, kH, kW, C)
            NdArray bias = field.random(DType.F32, shape.weight().dim(0));
            Arithmetic arithmetic = type == DType.F32 ? Arithmetic.F32 : Arithmetic.BF16;
            Convolution op = shape.geometry().in(arithmetic);
            field.ours(k -> {
                NdArray out = field.zeros(DType.F32, last(shape.output()));
                PackedFilter packed = k.packFilter(first(weight, true), arithmetic, field.arena());
                NdArray x = first(wide, true);
                NdArray y = first(out, true);
                return new Contestant(k.name(), () -> k.convolution(op, x, packed, y, Epilogue.bias(bias)), () -> out);
            });
            NdArray result = field.zeros(DType.F32, last(shape.output()));
            long[] stride = {shape.geometry().strideH(), shape.geometry().strideW()};
            boolean even = shape.geometry().top() == shape.geometry().bottom();
            if (even) {
                long[] padding = {shape.geometry().top(), shape.geometry().left()};
                field.torch(torch -> {
                    var x = torch.of(first(input, false));
                    var w = torch.of(first(weight, false));
                    var b = torch.of(type == DType.F32 ? bias : field.converted(bias, type));
                    return new Contestant(
                            "libtorch", () -> torch.scope(() -> torch.convolution(x, w, b, stride, padding)), () -> {
                                torch.scope(() -> result.memory()
                                        .copyFrom(torch.data(
                                                torch.to(torch.convolution(x, w, b, stride, padding), DType.F32))));
                                return result;
                            });
                });
            }
            field.oneDnn(dnn -> {
                NdArray out = field.zeros(type, last(shape.output()));
                var primitive = dnn.convolution(
                        field.arena(),
                        shape.geometry(),
                        first(input, false),
                        first(weight, false),
                        bias,
                        first(out, false));
                return new Contestant("onednn", primitive::run, () -> field.converted(out, DType.F32));
            });
            if (type == DType.F32) {
                field.onnxRuntime(runtime -> {
                    NdArray x = field.converted(first(input, false), DType.F32);
                    NdArray w = field.converted(first(weight, false), DType.F32);
                    NdArray y =
                            field.zeros(DType.F32, first(result, false).shape().dims());
                    var model = runtime.convolution(field.arena(), shape.geometry(), x, w, bias, y);
                    return new Contestant(
                            "onnxruntime",
                            model::run,
                            () -> field.converted(y.permute(0, 2, 3, 1), DType.F32),
                            model::close);
                });
            }
            field.measure(new Contest(
                    "conv",
                    shape.name().toLowerCase(Locale.ROOT) + " " + shape.input() + "*" + shape.weight(),
                    type.label(),
                    shape.gflop(),
                    "GFLOP/s",
                    type == DType.F32 ? session.roofs().f32() : session.roofs().bf16(),
                    type == DType.F32 ? 1e-5 : 5e-3,
                    type == DType.F32 ? "" : "theirs reads and writes bf16, ours f32"));
        }
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
