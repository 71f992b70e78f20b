package dev.palimpsest.models.conformance;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.models.api.LoadOptions;
import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.nn.Module;
import dev.palimpsest.tensor.nn.PackedWeights;
import dev.palimpsest.weights.Checkpoint;
import dev.palimpsest.weights.WeightTree;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// A safetensors file with one case: `weight.<original state-dict key>`, inputs `in.*`, expected outputs `out.*`,
/// expected gradients `grad.*`, and as metadata the `kind` of component, its `config` (JSON) and the tolerance `tol`
/// (JSON).
///
/// Tensors are views of the mapped file and live until [#close].
public final class GoldenFile implements AutoCloseable {
    private static final String INPUT = "in.";
    private static final String WEIGHT = "weight";

    private final Checkpoint checkpoint;
    private final PackedWeights packed;
    private final PackedWeights passing;
    private final String kind;
    private final JsonObject config;
    private final JsonObject tolerance;
    private final Set<String> inputs;
    private final Set<String> expected;

    private GoldenFile(Checkpoint checkpoint, LoadOptions options) {
        this.checkpoint = checkpoint;
        this.packed = options.packedWeights(List.of(checkpoint));
        this.passing = options.withoutCopies();
        Map<String, String> metadata = checkpoint.metadata();
        String name = checkpoint.path().toString();
        if (!metadata.containsKey("kind")) {
            throw new IllegalArgumentException(name + ": is not a golden file, its metadata names no kind");
        }
        this.kind = metadata.getOrDefault("kind", "");
        this.config = JsonObject.parse(metadata.getOrDefault("config", "{}"), name + ", config");
        this.tolerance = JsonObject.parse(metadata.getOrDefault("tol", "{}"), name + ", tol");
        Set<String> in = new LinkedHashSet<>();
        Set<String> out = new LinkedHashSet<>();
        for (String key : checkpoint.names()) {
            if (key.startsWith(INPUT)) {
                in.add(key.substring(INPUT.length()));
            } else if (key.startsWith("out.") || key.startsWith("grad.")) {
                out.add(key);
            }
        }
        this.inputs = Collections.unmodifiableSet(in);
        this.expected = Collections.unmodifiableSet(out);
    }

    /// Opens a file whose component is to compute in f32.
    ///
    /// @throws dev.palimpsest.weights.CheckpointException if it is not a sound safetensors file
    /// @throws IllegalArgumentException if its metadata names no kind
    public static GoldenFile open(Path path) {
        return open(path, LoadOptions.defaults());
    }

    /// Opens a file; only its header is read.
    ///
    /// @param options how its component is to compute
    /// @throws dev.palimpsest.weights.CheckpointException if it is not a sound safetensors file
    /// @throws IllegalArgumentException if its metadata names no kind
    public static GoldenFile open(Path path, LoadOptions options) {
        Checkpoint checkpoint = Checkpoint.open(path);
        try {
            return new GoldenFile(checkpoint, options);
        } catch (RuntimeException e) {
            checkpoint.close();
            throw e;
        }
    }

    /// Where the file lies.
    public Path path() {
        return checkpoint.path();
    }

    /// What is being checked: `vincie.nadit`, `diffusion.euler`, ...
    public String kind() {
        return kind;
    }

    /// The component's settings.
    public JsonObject config() {
        return config;
    }

    /// All metadata as it stands in the file.
    public Map<String, String> metadata() {
        return checkpoint.metadata();
    }

    /// The tolerance that the file asks for on floating-point outputs.
    ///
    /// @throws IllegalArgumentException if it asks for none
    public Tolerance.Close tolerance() {
        if (!tolerance.has("rel_l2")) {
            throw new IllegalArgumentException("its metadata has no \"tol\" that says how close floating-point tensors "
                    + "must come, such as {\"rel_l2\": 1e-5, \"max_abs\": 1e-6}");
        }
        return new Tolerance.Close(tolerance.number("rel_l2"), tolerance.number("max_abs", 0));
    }

    /// Names of the inputs without their `in.`.
    public Set<String> inputs() {
        return inputs;
    }

    /// Whether there is an input `in.<name>`.
    public boolean hasInput(String name) {
        return inputs.contains(name);
    }

    /// The input `in.<name>`.
    ///
    /// @throws dev.palimpsest.weights.CheckpointException if there is none
    public Tensor input(String name) {
        return tensor(INPUT + name);
    }

    /// Names of the expected outputs and gradients, complete with `out.` or `grad.`.
    public Set<String> expected() {
        return expected;
    }

    /// Whether this output or gradient is expected.
    ///
    /// @param key complete with `out.` or `grad.`
    public boolean expects(String key) {
        return expected.contains(key);
    }

    /// An expected output or gradient. Evaluators must not look at its numbers, only the comparison does.
    ///
    /// @param key complete with `out.` or `grad.`
    Tensor expected(String key) {
        return tensor(key);
    }

    /// Element type of an expected output or gradient.
    ///
    /// @param key complete with `out.` or `grad.`
    public DType expectedType(String key) {
        return checkpoint.info(key).dtype();
    }

    /// Shape of an expected output or gradient.
    ///
    /// @param key complete with `out.` or `grad.`
    public Shape expectedShape(String key) {
        return checkpoint.info(key).shape();
    }

    /// The component's weights under their original keys, nothing taken yet.
    ///
    /// @throws dev.palimpsest.weights.CheckpointException if there are none
    public WeightTree weights() {
        return WeightTree.of(weightCheckpoint());
    }

    /// The component's weights as a checkpoint of its own, under their original keys. It is closed with the file.
    ///
    /// @throws dev.palimpsest.weights.CheckpointException if there are none
    public Checkpoint weightCheckpoint() {
        return checkpoint.under(WEIGHT);
    }

    /// Lets a component compute as a loaded model does, in the arithmetic and with packed copies of its weights.
    /// Returns
    /// it.
    public <M extends Module> M attached(M component) {
        packed.attach(component);
        return component;
    }

    /// The same for a text encoder, whose weights are packed in passing.
    public <M extends Module> M attachedWithoutCopies(M encoder) {
        passing.attach(encoder);
        return encoder;
    }

    /// Unmaps the file.
    @Override
    public void close() {
        packed.close();
        passing.close();
        checkpoint.close();
    }

    private Tensor tensor(String key) {
        return Tensor.borrow(checkpoint.tensor(key), key);
    }
}
