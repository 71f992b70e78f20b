package dev.palimpsest.bench.compare;

import dev.palimpsest.bench.Shapes.Product;
import dev.palimpsest.bench.compare.Session.Contest;
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
import java.util.function.Consumer;
import java.util.stream.Stream;

/// Matrix products with weights that are laid out once, as inference uses them. libtorch and OpenBLAS have no such
/// form of a linear layer and lay the weight out in every call; oneDNN and ONNX Runtime are like for like.
///
/// Few rows are a question of how fast the weight comes from memory. As the layers of a model follow each other, its
/// weights are in no cache: so such products go through copies of the weight in turn, and the fewest rows are measured
/// by the speed at which weights are read.
final class Products {
    private static final int FEW_ROWS = 16;
    private static final int VERY_FEW_ROWS = 4;
    private static final long BEYOND_CACHES = 128L << 20;

    private final Session session;
    private final Product shape;
    private final Field field;

    private Products(Session session, Product shape, Field field) {
        this.session = session;
        this.shape = shape;
        this.field = field;
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
            in(session, shape, Products::f32);
            in(session, shape, Products::bf16);
            in(session, shape, Products::int8);
            if (!session.quick() || shape != Product.VINCIE_MLP_OUT) {
                in(session, shape, p -> p.narrow(DType.BF16, Arithmetic.F32, 1e-5));
                in(session, shape, p -> p.narrow(DType.I8, Arithmetic.INT8_WEIGHT_ONLY, 0.02));
            }
        }
    }

    private static void in(Session session, Product shape, Consumer<Products> body) {
        try (Field field = new Field(session)) {
            body.accept(new Products(session, shape, field));
        }
    }

    private void f32() {
        NdArray a = field.random(DType.F32, shape.m(), shape.k());
        NdArray weight = field.random(DType.F32, shape.n(), shape.k());
        List<NdArray> weights = copies(weight);
        field.ours(k -> ours(k, k.name(), a, weight, Arithmetic.F32, weights.size()));
        field.torch(t -> torch(t, a, weights, DType.F32));
        field.oneDnn(d -> oneDnn(d, a, weight, out(DType.F32), weights.size()));
        field.openBlas(b -> {
            NdArray out = out(DType.F32);
            List<Runnable> calls = weights.stream()
                    .map(w -> (Runnable) () -> b.linear(a, w, out))
                    .toList();
            return new Contestant("openblas", Field.inTurn(calls), () -> out);
        });
        field.onnxRuntime(r -> {
            NdArray out = out(DType.F32);
            List<OnnxRuntime.Session> sessions = weights.stream()
                    .map(w -> r.linear(field.arena(), a, w, out))
                    .toList();
            return new Contestant(
                    "onnxruntime",
                    Field.inTurn(sessions.stream().map(s -> (Runnable) s::run).toList()),
                    () -> out,
                    () -> sessions.forEach(OnnxRuntime.Session::close));
        });
        measure("f32", DType.F32, session.roofs().f32(), 1e-5, "");
    }

    private void bf16() {
        NdArray a = field.random(DType.BF16, shape.m(), shape.k());
        NdArray wide = field.converted(a, DType.F32);
        NdArray weight = field.random(DType.BF16, shape.n(), shape.k());
        List<NdArray> weights = copies(weight);
        field.ours(k -> ours(k, k.name(), wide, weight, Arithmetic.BF16, weights.size()));
        field.torch(t -> torch(t, a, weights, DType.BF16));
        field.oneDnn(d -> oneDnn(d, a, weight, out(DType.F32), weights.size()));
        measure(
                "bf16",
                DType.BF16,
                session.roofs().bf16(),
                4e-3,
                "theirs reads bf16 activations, ours rounds f32 ones; libtorch also writes bf16");
    }

    private void int8() {
        NdArray a = field.random(DType.F32, shape.m(), shape.k());
        NdArray weight = field.random(DType.F32, shape.n(), shape.k());
        field.ours(k -> ours(k, k.name(), a, weight, Arithmetic.INT8, turns(DType.I8)));
        field.oneDnn(d -> {
            QuantizedProduct q = new QuantizedProduct(field, a, weight);
            NdArray sums = field.zeros(DType.I32, shape.m(), shape.n());
            Contestant c = oneDnn(d, q.activations(), q.weights(), sums, turns(DType.I8));
            return new Contestant(c.name(), c.call(), () -> q.product(sums));
        });
        measure(
                "int8",
                DType.I8,
                session.roofs().int8(),
                1e-5,
                "theirs reads quantised activations and writes integers, ours quantises f32 ones and writes f32");
    }

    /// Narrower weights in f32 arithmetic beside our own product with f32 weights.
    private void narrow(DType type, Arithmetic arithmetic, double tolerance) {
        NdArray a = field.random(DType.F32, shape.m(), shape.k());
        DType stored = type == DType.BF16 ? DType.BF16 : DType.F32;
        NdArray weight = field.random(stored, shape.n(), shape.k());
        NdArray wide = field.converted(weight, DType.F32);
        for (Kernels kernels : session.providers()) {
            try (Field one = new Field(session)) {
                one.ours(kernels, k -> ours(k, k.name(), a, weight, arithmetic, turns(type)));
                one.own(ours(kernels, "own f32", a, wide, Arithmetic.F32, turns(DType.F32)));
                measure(
                        one,
                        "f32*" + type.label(),
                        type,
                        session.roofs().f32(),
                        tolerance,
                        "weights narrower than the arithmetic, beside the same provider's f32");
            }
        }
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

    private Contestant ours(Kernels kernels, String name, NdArray a, NdArray weight, Arithmetic arithmetic, int turns) {
        NdArray out = out(DType.F32);
        List<Runnable> calls = new ArrayList<>();
        for (int i = 0; i < turns; i++) {
            PackedMatrix packed = kernels.pack(weight.transpose(0, 1), arithmetic, 0, field.arena());
            calls.add(() -> kernels.matmul(a, packed, out, Epilogue.NONE));
        }
        return new Contestant(name, Field.inTurn(calls), () -> out);
    }

    private Contestant torch(Torch torch, NdArray a, List<NdArray> weights, DType type) {
        NdArray out = out(type);
        Torch.Value left = torch.of(a);
        Torch.Value target = torch.of(out);
        List<Runnable> calls = new ArrayList<>();
        for (NdArray weight : weights) {
            Torch.Value w = torch.of(weight);
            calls.add(() -> torch.linear(left, w, null, target));
        }
        return new Contestant("libtorch", Field.inTurn(calls), () -> field.converted(out, DType.F32));
    }

    private Contestant oneDnn(OneDnn oneDnn, NdArray a, NdArray weight, NdArray out, int turns) {
        List<Runnable> calls = new ArrayList<>();
        for (int i = 0; i < turns; i++) {
            calls.add(oneDnn.linear(field.arena(), a, weight, out)::run);
        }
        return new Contestant("onednn", Field.inTurn(calls), () -> out);
    }

    private void measure(String dtype, DType weight, double roof, double tolerance, String note) {
        measure(field, dtype, weight, roof, tolerance, note);
    }

    private void measure(Field contestants, String dtype, DType weight, double roof, double tolerance, String note) {
        String name = shape.name().toLowerCase(Locale.ROOT) + " " + shape.m() + "x" + shape.n() + "x" + shape.k();
        boolean memory = shape.m() <= VERY_FEW_ROWS;
        String group = memory ? "gemv" : shape.m() <= FEW_ROWS ? "gemm16" : "gemm";
        double work = memory ? 1e-9 * shape.n() * shape.k() * weight.bytes() : shape.gflop();
        contestants.measure(new Contest(
                group,
                name,
                dtype,
                work,
                memory ? "GB/s" : dtype.equals("int8") ? "Gop/s" : "GFLOP/s",
                memory ? session.roofs().copy() : roof,
                tolerance,
                note));
    }
}
