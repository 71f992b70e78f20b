package dev.palimpsest.bench.compare;

import dev.palimpsest.bench.peers.Torch;
import dev.palimpsest.bench.peers.Torch.Value;
import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.KeyRanges;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.models.api.Cancellation;
import dev.palimpsest.models.infinity.BiasMode;
import dev.palimpsest.models.infinity.InfinityConfig;
import dev.palimpsest.models.infinity.InfinityTransformer;
import dev.palimpsest.models.infinity.PictureLayout;
import dev.palimpsest.models.infinity.PictureSize;
import dev.palimpsest.models.infinity.Rope2d;
import dev.palimpsest.models.infinity.ScaleCache;
import dev.palimpsest.models.infinity.ScaleSchedule;
import dev.palimpsest.models.infinity.TextFeatures;
import dev.palimpsest.tensor.Backend;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.autograd.Gradients;
import dev.palimpsest.tensor.autograd.Tape;
import dev.palimpsest.tensor.nn.Lora;
import dev.palimpsest.tensor.nn.Parameter;
import dev.palimpsest.tensor.random.TorchCpuRandom;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A transformer of Infinity-2B's width with a single block, and random weights.
final class InfinityBlocks implements AutoCloseable {
    private static final int WIDTH = 2048;
    private static final int HEADS = 16;
    private static final int BITS = 32;
    private static final int TEXT = 64;
    private static final float EPS = 1e-6f;
    private static final String BLOCK = "block_chunks.0.module.0.";

    private final Field field;
    private final RandomModel model;
    private final InfinityConfig config;
    private final InfinityTransformer transformer;
    private final PictureLayout layout;
    private final InfinityTransformer.TextCondition text;

    private InfinityBlocks(Session session, PictureSize size) {
        config = new InfinityConfig(
                1, 1, WIDTH, HEADS, 4 * WIDTH, WIDTH, 512, HEADS, BITS, 13, false, Rope2d.Mode.STRETCHED, true, EPS);
        field = new Field(session);
        model = RandomModel.of(DType.F32, tree -> new InfinityTransformer(tree, config));
        transformer = new InfinityTransformer(model.tree(), config);
        layout = PictureLayout.of(1, size);
        NdArray features = field.random(DType.F32, TEXT, WIDTH);
        text = transformer.condition(
                new TextFeatures(Tensor.borrow(features, "text"), new int[] {TEXT}), BiasMode.ORIGINAL);
    }

    /// The block at the last scale of 512 pixels, 1024 tokens, with the keys and values of all scales before.
    static @Nullable Void lastScale(Session session) {
        try (InfinityBlocks b = new InfinityBlocks(session, PictureSize.P_0_25M)) {
            ScaleSchedule schedule = b.layout.schedule();
            List<NdArray> inputs = schedule.scales().stream()
                    .map(s -> b.field.random(DType.F32, 1, s.area(), WIDTH))
                    .toList();
            b.field.ours("f32", k -> b.ourLastScale(k, Arithmetic.F32, inputs));
            b.field.best("bf16", k -> b.ourLastScale(k, Arithmetic.BF16, inputs));
            b.field.torch("f32", torch -> b.theirLastScale(torch, inputs));
            String shape = "infinity block, width 2048, last scale of 512x512: "
                    + inputs.getLast().dim(1) + " queries, " + schedule.length() + " keys";
            Blocks.compare(b.field, shape, "the keys and values of earlier scales and of the text are there");
            b.field.measure();
            return null;
        }
    }

    private Contestant ourLastScale(Kernels kernels, Arithmetic arithmetic, List<NdArray> inputs) {
        InfinityTransformer ours = Blocks.packed(field, new InfinityTransformer(model.tree(), config), arithmetic);
        ScaleCache cache = new ScaleCache(config, layout, 1);
        int last = inputs.size() - 1;
        for (NdArray x : inputs) {
            extend(ours, kernels, cache, x);
        }
        NdArray result = field.zeros(DType.F32, inputs.getLast().shape().dims());
        return new Contestant(
                kernels.name(),
                () -> {
                    cache.rewind(last);
                    extend(ours, kernels, cache, inputs.getLast());
                },
                () -> {
                    cache.rewind(last);
                    float[] values = Backend.with(
                            kernels,
                            () -> Scope.run(
                                    () -> ours.extend(cache, tensor(inputs.getLast()), text, null, new Cancellation())
                                            .toFloatArray()));
                    result.memory().copyFrom(MemorySegment.ofArray(values));
                    return result;
                },
                cache::close);
    }

    private void extend(InfinityTransformer ours, Kernels kernels, ScaleCache cache, NdArray x) {
        Backend.with(
                kernels,
                () -> Scope.run(() -> {
                    ours.extend(cache, tensor(x), text, null, new Cancellation());
                    return null;
                }));
    }

    private Contestant theirLastScale(Torch torch, List<NdArray> inputs) {
        TorchBlocks blocks = new TorchBlocks(torch, model);
        ScaleSchedule schedule = layout.schedule();
        NdArray keptKeys = field.zeros(DType.F32, schedule.start(inputs.size() - 1), HEADS, WIDTH / HEADS);
        NdArray keptValues = field.zeros(DType.F32, keptKeys.shape().dims());
        TorchBlocks.InfinityInput shared = input(torch, blocks, inputs.size() - 1, inputs.size());
        for (int i = 0; i + 1 < inputs.size(); i++) {
            TorchBlocks.InfinityInput in = input(torch, blocks, i, i + 1);
            int length = inputs.get(i).dim(1);
            long from = (long) schedule.start(i) * WIDTH * Float.BYTES;
            long bytes = (long) length * WIDTH * Float.BYTES;
            NdArray x = flat(inputs.get(i));
            int scale = i;
            torch.scope(() -> {
                Value tokens = torch.add(torch.of(x), torch.of(level(scale)));
                TorchBlocks.Kept kept = blocks.infinityKeys(tokens, in, length, WIDTH, HEADS, EPS);
                long all = (long) length * WIDTH;
                MemorySegment.copy(torch.data(torch.reshape(kept.k(), all)), 0, keptKeys.memory(), from, bytes);
                MemorySegment.copy(torch.data(torch.reshape(kept.v(), all)), 0, keptValues.memory(), from, bytes);
            });
        }
        TorchBlocks.Kept kept = new TorchBlocks.Kept(torch.lasting(keptKeys), torch.lasting(keptValues));
        Value x = torch.lasting(flat(inputs.getLast()));
        Value level = torch.lasting(level(inputs.size() - 1));
        int length = inputs.getLast().dim(1);
        return Blocks.theirs(
                torch,
                field,
                inputs.getLast().shape(),
                t -> blocks.infinity(t.add(x, level), shared, kept, null, null, null, length, WIDTH, HEADS, EPS));
    }

    /// Forward and backward through the block and the scores of all scales of 256 pixels, with adapters at the
    /// feed-forward part as EditInfinity learns them. Both sides run the block a second time for the derivatives
    /// instead of keeping what happened inside, as the model does.
    static @Nullable Void loraStep(Session session) {
        try (InfinityBlocks b = new InfinityBlocks(session, PictureSize.P_0_06M)) {
            int length = b.layout.schedule().length();
            NdArray codes = b.field.random(DType.F32, 1, length - 1, BITS);
            Lora.Settings settings = Lora.Settings.DEFAULTS.withDropout(0);
            Lora lora = Lora.create(b.transformer, settings, new TorchCpuRandom(1), "*.ffn.fc1", "*.ffn.fc2")
                    .attach();
            List<NdArray> parameters = new ArrayList<>();
            int elements = 0;
            for (Parameter p : lora.parameters().values()) {
                NdArray values = b.field.random(DType.F32, p.shape().dims());
                p.value().copyInPlace(Tensor.borrow(values, "adapter").mul(0.01));
                parameters.add(p.value().array());
                elements += (int) p.shape().elements();
            }
            Shape all = Shape.of(elements);
            b.field.ours("f32", k -> Blocks.ours(b.field, k, all, () -> b.ourStep(lora, codes)));
            float scale = (float) (settings.alpha() / settings.rank());
            b.field.torch("f32", torch -> b.theirStep(torch, parameters, scale, codes, all));
            Blocks.compare(
                    b.field,
                    "infinity block, width 2048, lora step over " + length + " tokens",
                    "forward, again for the derivatives, backward; without the optimiser");
            b.field.measure();
            lora.detach();
            return null;
        }
    }

    private Tensor ourStep(Lora lora, NdArray codes) {
        try (Tape tape = new Tape()) {
            tape.watchAll(lora.parameters().values());
            Tensor loss = tape.record(() -> {
                Tensor scores = transformer.forward(tensor(codes), text, layout, new Cancellation()); // (1, L, 2 d)
                return scores.mul(scores).sum();
            });
            Gradients gradients = tape.backward(loss);
            return Tensor.concat(
                    lora.parameters().values().stream()
                            .map(p -> gradients.of(p).flatten(0, 1))
                            .toList(),
                    0);
        }
    }

    private Contestant theirStep(Torch torch, List<NdArray> parameters, float scale, NdArray codes, Shape all) {
        TorchBlocks blocks = new TorchBlocks(torch, model);
        ScaleSchedule schedule = layout.schedule();
        int length = schedule.length();
        TorchBlocks.InfinityInput in = input(torch, blocks, 0, schedule.size());
        NdArray levels = field.zeros(DType.F32, length, WIDTH);
        int[][] blockLengths = {new int[schedule.size()]};
        for (int i = 0; i < schedule.size(); i++) {
            blockLengths[0][i] = schedule.get(i).area();
            for (int row = schedule.start(i); row < schedule.start(i + 1); row++) {
                levels.memory()
                        .asSlice((long) row * WIDTH * Float.BYTES, (long) WIDTH * Float.BYTES)
                        .copyFrom(level(i).memory());
            }
        }
        KeyRanges visible = KeyRanges.blockCausal(blockLengths);
        NdArray mask = field.zeros(DType.F32, length, length);
        for (int i = 0; i < length; i++) {
            for (int j = visible.to(i); j < length; j++) {
                mask.set(Double.NEGATIVE_INFINITY, i, j);
            }
        }
        Tensor first = transformer.firstToken(text); // (1, 1, C)
        Value start = torch.lasting(Field.reshaped(copied(first), 1, WIDTH));
        Value tokens = torch.lasting(flat(codes));
        Value level = torch.lasting(levels);
        Value hidden = torch.lasting(mask);
        List<Value> leaves = parameters.stream().map(torch::lasting).toList();
        leaves.forEach(torch::requireGradient);
        Value[] lora = leaves.toArray(Value[]::new);
        Value strength = torch.lasting(one(scale));
        NdArray modulation = headModulation();
        Value headScale = torch.lasting(dense(modulation.slice(0, 0, 1)));
        Value headShift = torch.lasting(dense(modulation.slice(0, 1, 2)));
        return Blocks.theirs(torch, field, all, t -> {
            Value x = t.add(
                    t.cat(0, start, t.linear(tokens, blocks.w("word_embed.weight"), blocks.w("word_embed.bias"))),
                    level); // (L, C)
            blocks.infinity(x, in, null, hidden, lora, strength, length, WIDTH, HEADS, EPS);
            t.gradients(true);
            try {
                Value y = blocks.infinity(x, in, null, hidden, lora, strength, length, WIDTH, HEADS, EPS);
                Value scores = blocks.infinityHead(y, headScale, headShift, WIDTH, EPS); // (L, 2 d)
                List<Value> gradients = t.gradient(t.sum(t.mul(scores, scores)), leaves);
                Value[] flat = new Value[gradients.size()];
                for (int i = 0; i < flat.length; i++) {
                    flat[i] = t.reshape(
                            gradients.get(i), parameters.get(i).shape().elements());
                }
                return t.cat(0, flat);
            } finally {
                t.gradients(false);
            }
        });
    }

    // ---- what libtorch gets ready made

    private TorchBlocks.InfinityInput input(Torch torch, TorchBlocks blocks, int firstScale, int endScale) {
        NdArray own = model.get(BLOCK + "ada_gss"); // (1, 1, 6, C)
        NdArray sum = copied(text.gss().add(Tensor.borrow(own, "ada_gss"))); // (1, 1, 6, C)
        Value[] gss = new Value[6];
        for (int i = 0; i < 6; i++) {
            NdArray part = dense(Field.reshaped(sum, 6, WIDTH).slice(0, i, i + 1)); // (1, C)
            gss[i] = torch.lasting(
                    i == 2 || i == 3 ? copied(Tensor.borrow(part, "scale").add(1)) : part);
        }
        Rope2d.Rotation rotation =
                new Rope2d(config.ropeMode(), config.headDim()).rotation(layout, firstScale, endScale, 1);
        NdArray turns =
                TorchBlocks.turns(field, rotation.cos().array(), rotation.sin().array(), config.headDim() / 2);
        Tensor zeros = Tensor.zeros(WIDTH);
        NdArray qkvBias = copied(Tensor.concat(List.of(vector("sa.q_bias"), zeros, vector("sa.v_bias")), 0));
        NdArray kvBias = copied(Tensor.concat(List.of(zeros, vector("ca.v_bias")), 0));
        NdArray scales = copied(vector("sa.scale_mul_1H11")
                .minimum(Tensor.scalar((float) Math.log(100)))
                .exp()
                .reshape(HEADS, 1));
        NdArray keys = field.zeros(DType.F32, TEXT, HEADS, WIDTH / HEADS);
        NdArray values = field.zeros(DType.F32, TEXT, HEADS, WIDTH / HEADS);
        NdArray tokens = copied(text.tokens());
        torch.scope(() -> {
            TorchBlocks.Kept kept = blocks.infinityText(torch.of(tokens), torch.of(kvBias), TEXT, WIDTH, HEADS);
            long all = (long) TEXT * WIDTH;
            keys.memory().copyFrom(torch.data(torch.reshape(kept.k(), all)));
            values.memory().copyFrom(torch.data(torch.reshape(kept.v(), all)));
        });
        return new TorchBlocks.InfinityInput(
                gss,
                torch.lasting(turns),
                torch.lasting(qkvBias),
                torch.lasting(scales),
                torch.lasting(keys),
                torch.lasting(values));
    }

    /// Factor and term of the last normalisation, `(2, C)`.
    private NdArray headModulation() {
        Tensor weight = Tensor.borrow(model.get("head_nm.ada_lin.1.weight"), "weight");
        Tensor bias = Tensor.borrow(model.get("head_nm.ada_lin.1.bias"), "bias");
        Tensor both = text.sos().silu().matmul(weight.transpose(0, 1)).add(bias).reshape(2, WIDTH);
        return copied(Tensor.concat(List.of(both.slice(0, 0, 1).add(1), both.slice(0, 1, 2)), 0));
    }

    private Tensor vector(String name) {
        return Tensor.borrow(model.get(BLOCK + name), name);
    }

    /// The embedding of a scale, `(1, C)`.
    private NdArray level(int scale) {
        return dense(model.get("lvl_embed.weight").slice(0, scale, scale + 1));
    }

    private NdArray one(float value) {
        NdArray x = field.zeros(DType.F32, 1);
        x.set(value, 0);
        return x;
    }

    private NdArray dense(NdArray x) {
        return field.converted(x, DType.F32);
    }

    private NdArray copied(Tensor x) {
        return dense(x.array());
    }

    /// `(1, L, C)` as `(L, C)`.
    private static NdArray flat(NdArray x) {
        return Field.reshaped(x, x.dim(1), x.dim(2));
    }

    private static Tensor tensor(NdArray x) {
        return Tensor.borrow(x, "input");
    }

    @Override
    public void close() {
        field.close();
        model.close();
    }
}
