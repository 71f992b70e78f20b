package dev.palimpsest.bench.compare;

import dev.palimpsest.bench.compare.Session.Contest;
import dev.palimpsest.bench.peers.Torch;
import dev.palimpsest.bench.peers.Torch.Value;
import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.scalar.ScalarKernels;
import dev.palimpsest.models.api.Cancellation;
import dev.palimpsest.models.infinity.BsqVae;
import dev.palimpsest.models.infinity.BsqVaeConfig;
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
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// Whole parts of the models with random weights, beside the same mathematics in ops of libtorch.
final class Blocks {
    private Blocks() {}

    /// Measures everything.
    static void measure(Session session) {
        for (Arithmetic arithmetic : List.of(Arithmetic.F32, Arithmetic.BF16)) {
            Scope.run(() -> naDit(session, arithmetic));
            Scope.run(() -> qwen(session, arithmetic));
            Scope.run(() -> InfinityBlocks.lastScale(session, arithmetic));
        }
        Scope.run(() -> InfinityBlocks.loraStep(session));
        Scope.run(() -> decode(session, 16));
        if (!session.quick() || session.threads() > 1) {
            Scope.run(() -> decode(session, 32));
        }
    }

    // ---- both sides

    /// One of our models: what it makes is released after each call.
    ///
    /// @param like of the result's extents
    static Contestant ours(Field field, Kernels kernels, NdArray like, Supplier<Tensor> forward) {
        NdArray result = field.zeros(DType.F32, like.shape().dims());
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
    /// @param like of the result's extents
    static Contestant theirs(Torch torch, Field field, NdArray like, Field.Program forward) {
        return Field.torchMaking(torch, field.zeros(DType.F32, like.shape().dims()), forward);
    }

    /// @param arithmetic of our linear layers; libtorch computes in f32
    static Contest contest(String shape, Arithmetic arithmetic, String note) {
        boolean exact = arithmetic == Arithmetic.F32;
        String all = exact ? note : note + (note.isEmpty() ? "" : "; ") + "theirs in f32";
        return new Contest(
                "block", shape, arithmetic.name().toLowerCase(Locale.ROOT), 1, "calls/s", 0, exact ? 1e-4 : 0.02, all);
    }

    /// A model of ours whose linear layers keep packed weights as long as the contest.
    static <M extends Module> M packed(Field field, M model, Arithmetic arithmetic) {
        field.onClose(new PackedWeights(arithmetic, Long.MAX_VALUE).attach(model)::close);
        return model;
    }

    private static Tensor tensor(NdArray x) {
        return Tensor.borrow(x, "input");
    }

    /// The mathematics of each block of VINCIE-3B: its first one for one frame of 26 x 25 tokens and 150 text tokens.
    private static @Nullable Void naDit(Session session, Arithmetic arithmetic) {
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
            NdArray like = field.zeros(DType.F32, video.tokens() + text, dim);
            TokenLayout layout = new TokenLayout(List.of(video), List.of(text), AttentionLayout.FULL);
            NaDit.Pass pass = new NaDit.Pass(layout, tensor(emb), List.of(block.rope()));
            field.ours(k -> {
                NaDit.Block ours = packed(field, new NaDit.Block(model.tree(), config, 0), arithmetic);
                return ours(field, k, like, () -> {
                    NaDit.Streams y = ours.forward(new NaDit.Streams(tensor(vid), tensor(txt)), pass);
                    return Tensor.concat(List.of(y.vid(), y.txt()), 0);
                });
            });
            field.torch(torch -> {
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
                        like,
                        t -> blocks.naDit(
                                in, video.tokens(), text, dim, config.heads(), config.headDim(), config.normEps()));
            });
            field.measure(contest("nadit block, width 2560, 650+150 tokens", arithmetic, ""));
            return null;
        }
    }

    /// One layer of Qwen-14B and its last normalisation for its longest text.
    private static @Nullable Void qwen(Session session, Arithmetic arithmetic) {
        int hidden = 5120;
        int headDim = 128;
        int length = 150;
        QwenConfig config = new QwenConfig(256, hidden, 1, headDim, 13_696, 1e-6f, 10_000, length);
        int[] ids = IntStream.range(0, length - 1).toArray();
        int end = 255;
        try (Field field = new Field(session);
                RandomModel model = RandomModel.of(DType.F32, tree -> new QwenEncoder(config, tree, end))) {
            NdArray like = field.zeros(DType.F32, length, hidden);
            field.ours(k -> {
                QwenEncoder ours = packed(field, new QwenEncoder(config, model.tree(), end), arithmetic);
                return ours(
                        field,
                        k,
                        like,
                        () -> ours.encode(List.of(ids), new Cancellation()).embeddings());
            });
            field.torch(torch -> {
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
                        like,
                        t -> blocks.qwen(in, c, s, length, hidden, config.heads(), headDim, config.eps()));
            });
            field.measure(
                    contest("qwen-14b layer, 150 tokens", arithmetic, "ours looks the tokens up, theirs gets them"));
            return null;
        }
    }

    /// The decoder of Infinity's autoencoder.
    ///
    /// @param size rows and columns of the latent, a sixteenth of the picture's
    private static @Nullable Void decode(Session session, int size) {
        List<Integer> widths = List.of(128, 256, 512, 512, 512);
        BsqVaeConfig config = new BsqVaeConfig(32, widths, widths, 2, 4);
        int side = size * config.patchSize();
        try (Field field = new Field(session);
                RandomModel model = RandomModel.of(DType.F32, tree -> new BsqVae(tree, config))) {
            BsqVae vae = new BsqVae(model.tree(), config);
            NdArray latent = field.random(DType.F32, 1, size, size, config.channels());
            NdArray like = field.zeros(DType.F32, 1, side, side, 3);
            field.ours(k -> ours(
                    field,
                    k,
                    like,
                    () -> vae.decodeUnlimited(tensor(latent.permute(0, 3, 1, 2)))
                            .permute(0, 2, 3, 1)));
            field.torch(torch -> {
                TorchBlocks blocks = new TorchBlocks(torch, model);
                Value x = torch.lasting(latent.permute(0, 3, 1, 2));
                return theirs(
                        torch,
                        field,
                        like,
                        t -> t.reshape(
                                t.permute(
                                        blocks.decode(
                                                x, widths, config.residualBlocks(), config.halvings(), size, field),
                                        0,
                                        2,
                                        3,
                                        1),
                                like.shape().elements()));
            });
            field.measure(contest("infinity vae decode, " + side + "x" + side, Arithmetic.F32, ""));
            return null;
        }
    }
}
