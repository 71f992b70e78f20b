package dev.palimpsest.models.conformance;

import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.models.layers.Layers;
import dev.palimpsest.models.vincie.AttentionLayout;
import dev.palimpsest.models.vincie.NaDit;
import dev.palimpsest.models.vincie.NaDitConfig;
import dev.palimpsest.models.vincie.PackedInput;
import dev.palimpsest.models.vincie.PromptIdEmbedding;
import dev.palimpsest.models.vincie.TokenLayout;
import dev.palimpsest.models.vincie.VideoShape;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.nn.Observer;
import dev.palimpsest.tensor.nn.RmsNorm;
import dev.palimpsest.weights.WeightTree;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Golden files about VINCIE's transformer, whole and in parts.
public final class NaDitGoldens implements GoldenEvaluator {
    private static final Pattern BLOCK_OUTPUT = Pattern.compile("blocks\\.([0-9]+)\\.(vid|txt)");

    /// The evaluator.
    public NaDitGoldens() {}

    @Override
    public Set<String> kinds() {
        return Set.of(
                "vincie.time_embedding",
                "vincie.patch",
                "vincie.mmrope",
                "vincie.ada_single",
                "vincie.swiglu",
                "vincie.attention",
                "vincie.block",
                "vincie.nadit");
    }

    @Override
    public Map<String, Tensor> evaluate(GoldenFile file) {
        return switch (file.kind()) {
            case "vincie.time_embedding" -> timeEmbedding(file);
            case "vincie.patch" -> patch(file);
            case "vincie.mmrope" -> mmRope(file);
            case "vincie.ada_single" -> adaSingle(file);
            case "vincie.swiglu" -> swiGlu(file);
            case "vincie.attention" -> attention(file);
            case "vincie.block" -> block(file);
            case "vincie.nadit" -> naDit(file);
            default -> throw new IllegalArgumentException("no transformer golden has the kind " + file.kind());
        };
    }

    private static List<VideoShape> vidShapes(GoldenFile file, String name) {
        long[] s = file.input(name).toLongArray(); // (b, 3)
        List<VideoShape> shapes = new ArrayList<>();
        for (int i = 0; i < s.length; i += 3) {
            shapes.add(new VideoShape(Math.toIntExact(s[i]), Math.toIntExact(s[i + 1]), Math.toIntExact(s[i + 2])));
        }
        return shapes;
    }

    private static List<Integer> txtLengths(GoldenFile file) {
        return Arrays.stream(file.input("txt_shape").toLongArray())
                .mapToObj(Math::toIntExact)
                .toList();
    }

    private static TokenLayout layout(GoldenFile file) {
        return new TokenLayout(vidShapes(file, "vid_shape"), txtLengths(file), AttentionLayout.FULL);
    }

    private static Map<String, Tensor> timeEmbedding(GoldenFile file) {
        JsonObject config = file.config();
        int width = config.int32("sinusoidal_dim", 256);
        WeightTree weights = file.weights();
        NaDit.TimeEmbedding embedding = file.attached(
                new NaDit.TimeEmbedding(weights, width, config.int32("hidden_dim"), config.int32("output_dim")));
        weights.requireComplete();
        Tensor t = file.input("t"); // (b)
        return Map.of("out.sinusoid", NaDit.TimeEmbedding.sinusoid(t, width), "out.emb", embedding.forward(t));
    }

    private static Map<String, Tensor> patch(GoldenFile file) {
        JsonObject c = file.config();
        int[] patch = c.int32s("patch_size");
        int dim = c.int32("dim");
        NaDitConfig config = new NaDitConfig(
                c.int32("in_channels"),
                c.int32("out_channels"),
                dim,
                dim,
                1,
                6,
                1,
                1,
                0,
                false,
                6,
                1e-5f,
                patch[1],
                patch[2]);
        WeightTree weights = file.weights();
        NaDit.PatchIn in = file.attached(new NaDit.PatchIn(weights.at("vid_in"), config));
        NaDit.PatchOut out = file.attached(new NaDit.PatchOut(weights.at("vid_out"), config));
        weights.requireComplete();
        List<VideoShape> shapes = vidShapes(file, "shape");
        List<VideoShape> tokens = shapes.stream().map(config::patched).toList();
        return Map.of(
                "out.y", in.forward(file.input("x"), shapes),
                "out.y_shape", shapeTensor(tokens),
                "out.z", out.forward(file.input("h"), tokens),
                "out.z_shape",
                        shapeTensor(tokens.stream().map(config::unpatched).toList()));
    }

    private static Tensor shapeTensor(List<VideoShape> shapes) {
        long[] extents = shapes.stream()
                .flatMapToLong(s -> Arrays.stream(new long[] {s.frames(), s.height(), s.width()}))
                .toArray();
        return Tensor.of(extents, shapes.size(), 3);
    }

    private static Map<String, Tensor> mmRope(GoldenFile file) {
        WeightTree weights = file.weights();
        NaDit.MmRope rope = new NaDit.MmRope(weights, file.config().int32("rope_dim"));
        weights.requireComplete();
        TokenLayout layout = layout(file);
        int vid = layout.vidTokens();
        int all = vid + layout.txtTokens();
        int[][] positions = new int[all][]; // in the order of memory: video first
        int[] order = layout.order();
        for (int i = 0; i < all; i++) {
            positions[order[i]] = layout.positions()[i];
        }
        Tensor angles = rope.angles(positions); // (L, pairs)
        int pairs = angles.dim(1);
        Tensor both = angles.unsqueeze(2).expand(all, pairs, 2).reshape(all, 2 * pairs); // (L, 2 pairs)
        Map<String, Tensor> out = new LinkedHashMap<>();
        out.put("out.vid_freqs", both.slice(0, 0, vid));
        out.put("out.txt_freqs", both.slice(0, vid, all));
        for (String name : List.of("q", "k")) {
            Tensor x = Tensor.concat(List.of(file.input("vid_" + name), file.input("txt_" + name)), 0);
            Tensor y = rope.rotation(positions).apply(x); // (L, heads, headDim)
            out.put("out.vid_" + name, y.slice(0, 0, vid));
            out.put("out.txt_" + name, y.slice(0, vid, all));
        }
        return out;
    }

    private static Map<String, Tensor> adaSingle(GoldenFile file) {
        int dim = file.config().int32("dim");
        float eps = (float) file.config().number("norm_eps", 1e-5);
        WeightTree weights = file.weights();
        NaDit.AdaSingle ada = new NaDit.AdaSingle(weights.at("ada"), dim, eps);
        NaDit.OutputModulation outAda = new NaDit.OutputModulation(weights.at("vid_out_ada"), dim);
        RmsNorm outNorm = Layers.rmsNorm(weights.at("vid_out_norm"), dim, eps);
        weights.requireComplete();
        NaDit.Pass pass = new NaDit.Pass(layout(file), file.input("emb"), List.of());
        Map<String, Tensor> out = new LinkedHashMap<>();
        for (NaDit.Stream stream : List.of(NaDit.Stream.VID, NaDit.Stream.TXT)) {
            String name = stream.name().toLowerCase(Locale.ROOT);
            Tensor x = file.input(name); // (tokens, dim)
            Tensor residual = file.input(name + "_res"); // (tokens, dim)
            for (NaDit.Half half : NaDit.Half.values()) {
                String key = "out." + name + "_" + half.name().toLowerCase(Locale.ROOT);
                out.put(key + "_in", ada.modulate(half, x, stream, pass));
                out.put(key + "_out", x.mul(ada.gate(half, stream, pass)).add(residual));
            }
        }
        out.put("out.vid_out_ada", outAda.forward(outNorm, file.input("vid"), pass));
        return out;
    }

    private static Map<String, Tensor> swiGlu(GoldenFile file) {
        JsonObject c = file.config();
        int dim = c.int32("dim");
        int hidden = NaDit.SwiGlu.hidden(dim, c.number("expand_ratio"), c.int32("multiple_of", 256));
        WeightTree weights = file.weights();
        NaDit.SwiGlu mlp = file.attached(new NaDit.SwiGlu(weights, dim, hidden));
        weights.requireComplete();
        return Map.of("out.y", mlp.forward(file.input("x"), null, null));
    }

    /// Configuration of a file about a single block or its attention.
    ///
    /// @param layers 1 to make block 0 the last one
    private static NaDitConfig blockConfig(JsonObject c, int layers) {
        int dim = c.int32("dim");
        int hidden = c.has("expand_ratio") ? NaDit.SwiGlu.hidden(dim, c.number("expand_ratio"), 256) : 1;
        return new NaDitConfig(
                1,
                1,
                dim,
                dim,
                c.int32("heads"),
                c.int32("head_dim"),
                hidden,
                layers,
                c.bool("shared_weights") ? 0 : layers,
                c.bool("qk_bias", false),
                c.int32("rope_dim"),
                (float) c.number("norm_eps", c.number("eps", 1e-5)),
                1,
                1);
    }

    private static Map<String, Tensor> attention(GoldenFile file) {
        NaDitConfig config = blockConfig(file.config(), 1);
        WeightTree weights = file.weights();
        NaDit.MmAttention attention = file.attached(new NaDit.MmAttention(weights, config, 0));
        weights.requireComplete();
        TokenLayout layout = layout(file);
        Tensor emb = Tensor.zeros(layout.samples(), config.embDim()); // (b, 6 dim), not used
        NaDit.Pass pass = new NaDit.Pass(layout, emb, List.of(attention.rope()));
        Tensor vid = file.input("vid"); // (Lv, dim)
        Tensor txt = file.input("txt"); // (Lt, dim)
        boolean shared = config.isShared(0);
        List<Tensor> x = shared ? List.of(Tensor.concat(List.of(vid, txt), 0)) : List.of(vid, txt);
        List<Tensor> y =
                attention.forward(x, Collections.nCopies(x.size(), null), Collections.nCopies(x.size(), null), pass);
        List<Tensor> parts = shared ? y.getFirst().split(0, layout.vidTokens(), layout.txtTokens()) : y;
        return Map.of("out.vid", parts.get(0), "out.txt", parts.get(1));
    }

    private static Map<String, Tensor> block(GoldenFile file) {
        NaDitConfig config = blockConfig(file.config(), file.config().bool("is_last_layer", false) ? 1 : 2);
        WeightTree weights = file.weights();
        NaDit.Block block = file.attached(new NaDit.Block(weights, config, 0));
        weights.requireComplete();
        NaDit.Pass pass = new NaDit.Pass(layout(file), file.input("emb"), List.of(block.rope()));
        NaDit.Streams y = block.forward(new NaDit.Streams(file.input("vid"), file.input("txt")), pass);
        return Map.of("out.vid", y.vid(), "out.txt", y.txt());
    }

    private static Map<String, Tensor> naDit(GoldenFile file) {
        WeightTree weights = NaDit.weights(file.weightCheckpoint());
        NaDit model = file.attached(new NaDit(weights, NaDitConfig.of(file.config())));
        Map<String, Tensor> out = new LinkedHashMap<>();
        if (weights.hasUnder("prompt_id_embedding")) {
            PromptIdEmbedding ids = new PromptIdEmbedding(weights.at("prompt_id_embedding"));
            if (file.hasInput("prompt_id")) {
                Tensor id = file.input("prompt_id"); // (...)
                int[] dims = Arrays.copyOf(id.shape().dims(), id.rank() + 1);
                dims[id.rank()] = ids.width();
                out.put("out.prompt_emb", ids.forward(id.reshape(-1)).reshape(dims));
            }
        }
        weights.requireComplete();
        PackedInput in = new PackedInput(
                file.input("vid"),
                vidShapes(file, "vid_shape"),
                file.input("txt"),
                txtLengths(file),
                file.input("timestep"));
        Taps taps = new Taps(path -> path.equals("vid_in")
                || path.equals("emb_in")
                || BLOCK_OUTPUT.matcher(path).matches());
        out.put("out.vid_sample", Observer.observing(taps, () -> model.forward(in)));
        taps.tensors().forEach((path, tensor) -> out.put("out." + originalName(path), tensor));
        return out;
    }

    /// What the files call the output of a module.
    private static String originalName(String path) {
        Matcher block = BLOCK_OUTPUT.matcher(path);
        if (block.matches()) {
            return "block" + block.group(1) + "." + block.group(2);
        }
        return path.equals("vid_in") ? "patch_in" : "emb";
    }
}
