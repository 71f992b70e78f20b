package dev.palimpsest.models.vincie;

import dev.palimpsest.kernels.Shape;
import dev.palimpsest.models.conformance.GoldenEvaluator;
import dev.palimpsest.models.conformance.GoldenFile;
import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.models.vincie.CausalVideoVae.Downsample;
import dev.palimpsest.models.vincie.CausalVideoVae.LayerSettings;
import dev.palimpsest.models.vincie.CausalVideoVae.MidBlock;
import dev.palimpsest.models.vincie.CausalVideoVae.Resnet;
import dev.palimpsest.models.vincie.CausalVideoVae.Stage;
import dev.palimpsest.models.vincie.CausalVideoVae.Upsample;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.nn.Module;
import dev.palimpsest.tensor.nn.Observer;
import dev.palimpsest.weights.WeightTree;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// The video autoencoder and its parts: the kinds `vincie.vae` and `vincie.vae.*`.
///
/// Parts map `in.xNAME` to `out.yNAME`, and `in.chunk0`, `in.chunk1`, ... one after the other to `out.chunk0`, ...
/// with memory between them. The whole autoencoder encodes and decodes `in.image`, and every `in.videoN`, of which
/// `in.latentN` is the latent to decode.
public final class VaeGoldens implements GoldenEvaluator {
    private static final float EPS = 1e-6f;
    private static final Pattern WHOLE = Pattern.compile("out\\.(mean|logvar|mode|sample|decoded)(\\d*)(_sliced)?");
    private static final String TAP = "out.tap.";

    /// An evaluator.
    public VaeGoldens() {}

    @Override
    public Set<String> kinds() {
        return Set.of(
                "vincie.vae",
                "vincie.vae.causal_conv",
                "vincie.vae.downsample",
                "vincie.vae.inflate",
                "vincie.vae.mid_block",
                "vincie.vae.resnet",
                "vincie.vae.upsample");
    }

    @Override
    public Map<String, Tensor> evaluate(GoldenFile file) {
        return switch (file.kind()) {
            case "vincie.vae" -> whole(file);
            case "vincie.vae.causal_conv" -> causalConv(file);
            case "vincie.vae.downsample" -> part(file, weights -> downsample(weights, file.config()));
            case "vincie.vae.inflate" -> inflate(file);
            case "vincie.vae.mid_block" -> midBlock(file);
            case "vincie.vae.resnet" -> part(file, weights -> resnet(weights, file.config()));
            case "vincie.vae.upsample" -> part(file, VaeGoldens::upsample);
            default -> throw new IllegalArgumentException(file.path() + ": " + file.kind() + " is not of this family");
        };
    }

    // ---- the whole autoencoder

    private static Map<String, Tensor> whole(GoldenFile file) {
        WeightTree weights = file.weights();
        JsonObject config = file.config();
        CausalVideoVae vae = file.attached(new CausalVideoVae(weights, CausalVideoVaeConfig.of(weights, config)));
        weights.requireComplete();
        int splitSize = config.int32("slicing_sample_min_size", vae.config().temporalFactor());

        Map<String, Tensor> out = new HashMap<>();
        Map<String, Posterior> posteriors = new HashMap<>();
        for (String key : file.expected()) {
            Matcher name = WHOLE.matcher(key);
            if (!name.matches()) {
                continue;
            }
            String number = name.group(2);
            int split = name.group(3) == null ? 0 : splitSize;
            Posterior posterior = posteriors.computeIfAbsent(
                    number + "/" + split,
                    k -> vae.encode(file.input(number.isEmpty() ? "image" : "video" + number), split));
            out.put(
                    key,
                    switch (name.group(1)) {
                        case "mean" -> posterior.mean();
                        case "logvar" -> posterior.logvar();
                        case "mode" -> posterior.mode();
                        case "sample" -> posterior.sample(file.input("eps" + number));
                        default -> vae.decode(latent(file, "latent" + number, posterior), split);
                    });
        }
        if (file.expected().stream().anyMatch(key -> key.startsWith(TAP))) {
            Map<String, Tensor> seen = observed(() -> {
                Posterior posterior = vae.encode(file.input("image"));
                return vae.decode(latent(file, "latent", posterior));
            });
            seen.forEach((path, tensor) -> out.put(TAP + path, tensor));
        }
        return out;
    }

    private static Tensor latent(GoldenFile file, String name, Posterior otherwise) {
        return file.hasInput(name) ? file.input(name) : otherwise.mode();
    }

    /// The outputs of all modules by path; the last one where a module runs several times.
    private static Map<String, Tensor> observed(ScopedValue.CallableOp<Tensor, RuntimeException> pass) {
        Scope scope = Scope.current();
        Map<String, Tensor> seen = new HashMap<>();
        Scope.run(() -> Observer.observing(
                (path, output) -> {
                    seen.put(path, scope.keep(output));
                    return output;
                },
                pass));
        return seen;
    }

    // ---- its parts

    private static <S extends Module & Stage> Map<String, Tensor> part(GoldenFile file, Function<WeightTree, S> make) {
        WeightTree weights = file.weights();
        S stage = file.attached(make.apply(weights));
        weights.requireComplete();
        return outputs(file, stage, null);
    }

    /// @param conv the convolution whose memory is an output too
    private static Map<String, Tensor> outputs(GoldenFile file, Stage stage, @Nullable CausalConv conv) {
        Map<String, Tensor> out = new HashMap<>();
        for (String input : file.inputs()) {
            if (input.startsWith("x")) {
                out.put(
                        "out.y" + input.substring(1),
                        Scope.run(() -> stage.forward(file.input(input), CausalMemory.disabled())));
            }
        }
        if (file.hasInput("chunk0")) {
            try (CausalMemory memory = CausalMemory.initializing()) {
                for (int i = 0; file.hasInput("chunk" + i); i++) {
                    Tensor chunk = file.input("chunk" + i);
                    out.put("out.chunk" + i, Scope.run(() -> stage.forward(chunk, memory)));
                    memory.advance();
                    Tensor kept = conv == null ? null : memory.recall(conv);
                    if (kept != null) {
                        out.put("out.memory" + i, kept.copy());
                    }
                }
            }
        }
        return out;
    }

    private static Map<String, Tensor> causalConv(GoldenFile file) {
        WeightTree weights = file.weights();
        JsonObject config = file.config();
        int[] kernel = extents(config, "kernel_size");
        CausalConv conv = file.attached(new CausalConv(
                weights,
                config.int32("in_channels"),
                config.int32("out_channels"),
                kernel,
                CausalConv.causal(extents(config, "stride"), extents(config, "padding")),
                KernelInflation.NONE));
        weights.requireComplete();
        return outputs(file, conv::forward, conv);
    }

    /// Time, rows and columns, given one by one or as one number for all.
    private static int[] extents(JsonObject config, String name) {
        if (config.value(name) instanceof Long) {
            int[] all = new int[3];
            Arrays.fill(all, config.int32(name));
            return all;
        }
        return config.int32s(name);
    }

    private static Downsample downsample(WeightTree weights, JsonObject config) {
        int[] shape = weights.shape("conv.weight").dims();
        return new Downsample(
                weights,
                shape[1],
                shape[0],
                Arrays.copyOfRange(shape, 2, shape.length),
                config.int32("padding", 0),
                KernelInflation.NONE);
    }

    private static Upsample upsample(WeightTree weights) {
        Shape conv = weights.shape("conv.weight");
        int channels = weights.shape("upscale_conv.weight").dim(1);
        int factor = weights.shape("upscale_conv.weight").dim(0) / channels;
        int spatial = factor >= 4 ? 2 : 1;
        return new Upsample(
                weights, channels, conv.dim(0), factor / (spatial * spatial), spatial, KernelInflation.NONE);
    }

    private static LayerSettings settings(JsonObject config) {
        return new LayerSettings(config.int32("groups"), (float) config.number("eps", EPS), KernelInflation.NONE);
    }

    private static Resnet resnet(WeightTree weights, JsonObject config) {
        Shape conv = weights.shape("conv1.weight");
        return new Resnet(weights, conv.dim(1), conv.dim(0), settings(config));
    }

    private static Map<String, Tensor> midBlock(GoldenFile file) {
        WeightTree weights = file.weights();
        int channels = weights.shape("resnets.0.conv1.weight").dim(0);
        MidBlock block = file.attached(new MidBlock(weights, channels, settings(file.config())));
        weights.requireComplete();
        Map<String, Tensor> out = outputs(file, block, null);
        Map<String, Tensor> seen = observed(() -> block.forward(file.input("x"), CausalMemory.disabled()));
        Map.of("resnets.0", "out.attn_in", "attentions.0", "out.attn_out").forEach((path, key) -> {
            Tensor y = seen.get(path); // (N, C, T, H, W)
            if (y != null) {
                out.put(key, y.permute(0, 2, 1, 3, 4).flatten(0, 1)); // (N T, C, H, W)
            }
        });
        return out;
    }

    private static Map<String, Tensor> inflate(GoldenFile file) {
        Map<String, Tensor> out = new HashMap<>();
        Tensor weight = file.input("weight_2d");
        for (KernelInflation way : new KernelInflation[] {KernelInflation.CONSTANT, KernelInflation.REPLICATE}) {
            String key = way == KernelInflation.CONSTANT ? "out.constant" : "out.replicate";
            if (file.expects(key)) {
                out.put(key, way.inflate(weight, file.expectedShape(key).dim(2)));
            }
        }
        return out;
    }
}
