package dev.palimpsest.bench.compare;

import dev.palimpsest.bench.peers.Torch;
import dev.palimpsest.bench.peers.Torch.Value;
import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.kernels.scalar.ScalarKernels;
import dev.palimpsest.models.api.Cancellation;
import dev.palimpsest.models.vincie.AttentionLayout;
import dev.palimpsest.models.vincie.NaDit;
import dev.palimpsest.models.vincie.NaDitConfig;
import dev.palimpsest.models.vincie.QwenConfig;
import dev.palimpsest.models.vincie.QwenEncoder;
import dev.palimpsest.models.vincie.TokenLayout;
import dev.palimpsest.models.vincie.VideoShape;
import dev.palimpsest.tensor.Backend;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.nn.Module;
import dev.palimpsest.tensor.nn.PackedWeights;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Locale;
import java.util.function.BiFunction;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// Whole parts of the models with random weights, beside the same mathematics in ops of libtorch.
final class Blocks {
    private Blocks() {}

    /// Measures everything.
    static void measure(Session session) {
        Scope.run(() -> naDit(session));
        Scope.run(() -> qwen(session));
        Scope.run(() -> InfinityBlocks.lastScale(session));
        Scope.run(() -> InfinityBlocks.loraStep(session));
        Scope.run(() -> Autoencoders.infinity(session));
        Scope.run(() -> Autoencoders.vincie(session));
    }

    // ---- both sides

    /// One of our models: what it makes is released after each call.
    ///
    /// @param shape of the result
    static Contestant ours(Field field, Kernels kernels, Shape shape, Supplier<Tensor> forward) {
        NdArray result = field.zeros(DType.F32, shape.dims());
        return new Contestant(
                kernels.name(),
                () -> Backend.with(kernels, () -> Scope.run(() -> forward.get().shape())),
                () -> {
                    float[] values = Backend.with(
                            kernels, () -> Scope.run(() -> forward.get().toFloatArray()));
                    result.memory().copyFrom(MemorySegment.ofArray(values));
                    return result;
                });
    }

    /// The same in libtorch.
    ///
    /// @param shape of the result
    static Contestant theirs(Torch torch, Field field, Shape shape, Field.Program forward) {
        return Field.torchMaking(torch, field.zeros(DType.F32, shape.dims()), forward);
    }

    /// Ours in f32 and, where it takes part, in bf16, both beside libtorch in f32.
    static void compare(Field field, String shape, String note) {
        field.compare(contest(shape, Arithmetic.F32, note), "f32");
        field.compare(contest(shape, Arithmetic.BF16, note), "bf16", "f32");
    }

    /// @param arithmetic of our linear layers; libtorch computes in f32
    private static Contest contest(String shape, Arithmetic arithmetic, String note) {
        boolean exact = arithmetic == Arithmetic.F32;
        String all = exact ? note : note + (note.isEmpty() ? "" : "; ") + "theirs in f32";
        String dtype = arithmetic.name().toLowerCase(Locale.ROOT);
        return new Contest("block", shape, dtype, 1, "calls/s", Roof.NONE, exact ? 1e-4 : 0.02, all);
    }

    /// A model of ours whose layers keep packed weights as long as the contest.
    static <M extends Module> M packed(Field field, M model, Arithmetic arithmetic) {
        field.onClose(new PackedWeights(arithmetic, Long.MAX_VALUE).attach(model)::close);
        return model;
    }

    static Tensor tensor(NdArray x) {
        return Tensor.borrow(x, "input");
    }

    /// The mathematics of each block of VINCIE-3B: its first one for one frame of 26 x 25 tokens and 150 text tokens.
    private static @Nullable Void naDit(Session session) {
        NaDitConfig config = NaDitConfig.VINCIE_3B;
        VideoShape video = new VideoShape(1, 26, 25);
        int text = 150;
        int dim = config.vidDim();
        try (Field field = new Field(session);
                RandomModel model = RandomModel.of(DType.F32, tree -> new NaDit.Block(tree, config, 0))) {
            NaDit.Block block = new NaDit.Block(model.tree(), config, 0);
            NdArray vid = field.random(DType.F32, video.tokens(), dim);
            NdArray txt = field.random(DType.F32, text, dim);
            NdArray emb = field.random(DType.F32, 1, config.embDim());
            Shape all = Shape.of(video.tokens() + text, dim);
            TokenLayout layout = new TokenLayout(List.of(video), List.of(text), AttentionLayout.FULL);
            NaDit.Pass pass = new NaDit.Pass(layout, tensor(emb), List.of(block.rope()));
            BiFunction<Kernels, Arithmetic, Contestant> ours = (k, arithmetic) -> {
                NaDit.Block packed = packed(field, new NaDit.Block(model.tree(), config, 0), arithmetic);
                return ours(field, k, all, () -> {
                    NaDit.Streams y = packed.forward(new NaDit.Streams(tensor(vid), tensor(txt)), pass);
                    return Tensor.concat(List.of(y.vid(), y.txt()), 0);
                });
            };
            field.ours("f32", k -> ours.apply(k, Arithmetic.F32));
            field.best("bf16", k -> ours.apply(k, Arithmetic.BF16));
            field.torch("f32", torch -> {
                TorchBlocks blocks = new TorchBlocks(torch, model);
                NaDit.Rotation rotation = block.rope().rotation(layout.positions());
                Value[][] modulation = new Value[2][3];
                for (int half = 0; half < 2; half++) {
                    for (int role = 0; role < 3; role++) {
                        NdArray part = Field.reshaped(emb, dim, 6).slice(1, half * 3 + role, half * 3 + role + 1);
                        modulation[half][role] =
                                torch.lasting(Field.reshaped(field.converted(part, DType.F32), 1, dim));
                    }
                }
                NdArray turns = TorchBlocks.turns(
                        field, rotation.cos().array(), rotation.sin().array(), config.headDim() / 2);
                TorchBlocks.NaDitInput in = new TorchBlocks.NaDitInput(
                        torch.lasting(vid), torch.lasting(txt), modulation, torch.lasting(turns));
                return theirs(
                        torch,
                        field,
                        all,
                        t -> blocks.naDit(
                                in, video.tokens(), text, dim, config.heads(), config.headDim(), config.normEps()));
            });
            compare(field, "nadit block, width 2560, 650+150 tokens", "");
            field.measure();
            return null;
        }
    }

    /// One layer of Qwen-14B and its last normalisation for its longest text.
    private static @Nullable Void qwen(Session session) {
        int hidden = 5120;
        int headDim = 128;
        int length = 150;
        QwenConfig config = new QwenConfig(256, hidden, 1, headDim, 13_696, 1e-6f, 10_000, length);
        int[] ids = IntStream.range(0, length - 1).toArray();
        int end = 255;
        try (Field field = new Field(session);
                RandomModel model = RandomModel.of(DType.F32, tree -> new QwenEncoder(config, tree, end))) {
            Shape all = Shape.of(length, hidden);
            BiFunction<Kernels, Arithmetic, Contestant> ours = (k, arithmetic) -> {
                QwenEncoder packed = packed(field, new QwenEncoder(config, model.tree(), end), arithmetic);
                return ours(
                        field,
                        k,
                        all,
                        () -> packed.encode(List.of(ids), new Cancellation()).embeddings());
            };
            field.ours("f32", k -> ours.apply(k, Arithmetic.F32));
            field.best("bf16", k -> ours.apply(k, Arithmetic.BF16));
            field.torch("f32", torch -> {
                TorchBlocks blocks = new TorchBlocks(torch, model);
                NdArray x = field.zeros(DType.F32, length, hidden);
                NdArray table = model.get("transformer.wte.weight");
                for (int i = 0; i < length; i++) {
                    int row = i < ids.length ? ids[i] : end;
                    new ScalarKernels().copy(table.slice(0, row, row + 1), x.slice(0, i, i + 1));
                }
                NdArray cos = field.zeros(DType.F32, length, 1, headDim);
                NdArray sin = field.zeros(DType.F32, length, 1, headDim);
                for (int i = 0; i < length; i++) {
                    for (int j = 0; j < headDim; j++) {
                        double angle = i * Math.pow(config.ropeBase(), -2.0 * (j % (headDim / 2)) / headDim);
                        cos.set(Math.cos(angle), i, 0, j);
                        sin.set(j < headDim / 2 ? -Math.sin(angle) : Math.sin(angle), i, 0, j);
                    }
                }
                Value in = torch.lasting(x);
                Value c = torch.lasting(cos);
                Value s = torch.lasting(sin);
                return theirs(
                        torch,
                        field,
                        all,
                        t -> blocks.qwen(in, c, s, length, hidden, config.heads(), headDim, config.eps()));
            });
            compare(field, "qwen-14b layer, 150 tokens", "ours looks the tokens up, theirs gets them");
            field.measure();
            return null;
        }
    }
}
