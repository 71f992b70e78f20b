package dev.palimpsest.bench.compare;

import dev.palimpsest.bench.Shapes.Product;
import dev.palimpsest.bench.peers.OneDnn;
import dev.palimpsest.bench.peers.OnnxRuntime;
import dev.palimpsest.bench.peers.Torch;
import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Epilogue;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.PackedMatrix;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;

/// Matrix products with weights that are laid out once, as inference uses them. libtorch and OpenBLAS have no such
/// form of a linear layer and lay the weight out in every call; oneDNN and ONNX Runtime are like for like.
///
/// The weight is made of bf16 numbers, such that every type stores the same one.
///
/// Few rows are a question of how fast the weight comes from memory. As the layers of a model follow each other, its
/// weights are in no cache: so such products go through copies of the weight in turn, and the fewest rows are measured
/// by the speed at which weights are read.
final class Products {
    private static final int FEW_ROWS = 16;
    private static final int VERY_FEW_ROWS = 4;
    private static final long BEYOND_CACHES = 128L << 20;

    private final Product shape;
    private final Field field;
    private final NdArray a;
    private final NdArray narrowA;
    private final List<NdArray> weights;
    private final List<NdArray> narrowWeights;

    private Products(Product shape, Field field) {
        this.shape = shape;
        this.field = field;
        a = field.random(DType.F32, shape.m(), shape.k());
        narrowA = field.converted(a, DType.BF16);
        NdArray weight = field.random(DType.BF16, shape.n(), shape.k());
        narrowWeights = copies(weight);
        weights = copies(field.converted(weight, DType.F32));
    }

    /// Measures everything.
    static void measure(Session session) {
        List<Product> shapes = session.quick()
                ? List.of(
                        Product.VINCIE_MLP_OUT,
                        Product.INFINITY_MLP_OUT,
                        Product.QWEN_SHORT_ATTENTION_OUT,
                        Product.INFINITY_2X2_MLP_IN,
                        Product.INFINITY_MODULATION)
                : List.of(Product.values());
        for (Product shape : shapes) {
            try (Field field = new Field(session)) {
                Products products = new Products(shape, field);
                products.f32();
                products.bf16();
                products.int8();
                products.narrowWeights();
                field.measure();
            }
        }
    }

    private void f32() {
        field.ours("f32", k -> ours(k, weights.getFirst(), Arithmetic.F32, weights.size()));
        field.torch("f32", t -> torch(t, a, weights));
        field.oneDnn("f32", d -> oneDnn(d, a, weights.getFirst(), out(DType.F32), weights.size()));
        field.openBlas("f32", b -> {
            NdArray out = out(DType.F32);
            List<Runnable> calls = weights.stream()
                    .map(w -> (Runnable) () -> b.linear(a, w, out))
                    .toList();
            return Contestant.writing("openblas", Field.inTurn(calls), () -> out);
        });
        field.onnxRuntime("f32", r -> {
            NdArray out = out(DType.F32);
            List<OnnxRuntime.Session> sessions = weights.stream()
                    .map(w -> r.linear(field.arena(), a, w, out))
                    .toList();
            return Contestant.writing(
                    "onnxruntime",
                    Field.inTurn(sessions.stream().map(s -> (Runnable) s::run).toList()),
                    () -> out,
                    () -> sessions.forEach(OnnxRuntime.Session::close));
        });
        field.compare(contest("f32", DType.F32, Roof.F32, 1e-5, ""), "f32");
    }

    private void bf16() {
        NdArray weight = narrowWeights.getFirst();
        field.best("bf16", k -> ours(k, weight, Arithmetic.BF16, narrowWeights.size()));
        field.torch("bf16", t -> torch(t, narrowA, narrowWeights));
        field.oneDnn("bf16", d -> oneDnn(d, narrowA, weight, out(DType.F32), narrowWeights.size()));
        String note = "theirs reads bf16 activations, ours rounds f32 ones; libtorch also writes bf16";
        field.compare(contest("bf16", DType.BF16, Roof.BF16, 4e-3, note), "bf16");
    }

    private void int8() {
        field.best("int8", k -> ours(k, weights.getFirst(), Arithmetic.INT8, turns(DType.I8)));
        field.oneDnn("int8", d -> {
            QuantizedProduct q = new QuantizedProduct(field, a, weights.getFirst());
            NdArray sums = field.zeros(DType.I32, shape.m(), shape.n());
            Runnable call = oneDnnCall(d, q.activations(), q.weights(), sums, turns(DType.I8));
            return Contestant.writing("onednn", call, () -> q.product(sums));
        });
        String note = "theirs reads quantised activations and writes integers, ours quantises f32 ones and writes f32";
        field.compare(contest("int8", DType.I8, Roof.INT8, 1e-5, note), "int8");
    }

    /// Narrower weights in f32 arithmetic beside our own product with f32 weights.
    private void narrowWeights() {
        String note = "weights narrower than the arithmetic, beside the same provider's f32";
        field.ours("f32*bf16", k -> ours(k, narrowWeights.getFirst(), Arithmetic.F32, narrowWeights.size()));
        field.compareOwn(contest("f32*bf16", DType.BF16, Roof.F32, 1e-5, note), "f32*bf16", "f32", "own f32");
        field.ours("f32*i8", k -> ours(k, weights.getFirst(), Arithmetic.INT8_WEIGHT_ONLY, turns(DType.I8)));
        field.compareOwn(contest("f32*i8", DType.I8, Roof.F32, 0.02, note), "f32*i8", "f32", "own f32");
    }

    /// How many places a weight must lie at so that no cache holds it; 1 where there are many rows to use it for.
    ///
    /// @param type as which it is read
    private int turns(DType type) {
        long bytes = (long) shape.n() * shape.k() * type.bytes();
        return shape.m() > FEW_ROWS ? 1 : (int) ((BEYOND_CACHES + bytes - 1) / bytes);
    }

    /// The weight at that many places.
    private List<NdArray> copies(NdArray weight) {
        return Stream.concat(
                        Stream.of(weight),
                        Stream.generate(() -> field.copied(weight)).limit(turns(weight.dtype()) - 1))
                .toList();
    }

    private NdArray out(DType type) {
        return field.zeros(type, shape.m(), shape.n());
    }

    private Contestant ours(Kernels kernels, NdArray weight, Arithmetic arithmetic, int turns) {
        NdArray out = out(DType.F32);
        List<Runnable> calls = new ArrayList<>();
        for (int i = 0; i < turns; i++) {
            PackedMatrix packed = kernels.pack(weight.transpose(0, 1), arithmetic, 0, field.arena());
            calls.add(() -> kernels.matmul(a, packed, out, Epilogue.NONE));
        }
        return Contestant.writing(kernels.name(), Field.inTurn(calls), () -> out);
    }

    private Contestant torch(Torch torch, NdArray left, List<NdArray> right) {
        NdArray out = out(left.dtype());
        Torch.Value x = torch.of(left);
        Torch.Value target = torch.of(out);
        List<Runnable> calls = new ArrayList<>();
        for (NdArray weight : right) {
            Torch.Value w = torch.of(weight);
            calls.add(() -> torch.linear(x, w, null, target));
        }
        return Contestant.writing("libtorch", Field.inTurn(calls), () -> field.converted(out, DType.F32));
    }

    private Contestant oneDnn(OneDnn oneDnn, NdArray left, NdArray weight, NdArray out, int turns) {
        return Contestant.writing("onednn", oneDnnCall(oneDnn, left, weight, out, turns), () -> out);
    }

    private Runnable oneDnnCall(OneDnn oneDnn, NdArray left, NdArray weight, NdArray out, int turns) {
        List<Runnable> calls = new ArrayList<>();
        for (int i = 0; i < turns; i++) {
            calls.add(oneDnn.linear(field.arena(), left, weight, out)::run);
        }
        return Field.inTurn(calls);
    }

    private Contest contest(String dtype, DType weight, Roof roof, double tolerance, String note) {
        String name = shape.name().toLowerCase(Locale.ROOT) + " " + shape.m() + "x" + shape.n() + "x" + shape.k();
        boolean memory = shape.m() <= VERY_FEW_ROWS;
        return new Contest(
                memory ? "gemv" : shape.m() <= FEW_ROWS ? "gemm16" : "gemm",
                name,
                dtype,
                memory ? 1e-9 * shape.n() * shape.k() * weight.bytes() : shape.gflop(),
                memory ? "GB/s" : dtype.equals("int8") ? "Gop/s" : "GFLOP/s",
                memory ? Roof.COPY : roof,
                tolerance,
                note);
    }
}
