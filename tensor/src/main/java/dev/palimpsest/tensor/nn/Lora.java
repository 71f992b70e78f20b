package dev.palimpsest.tensor.nn;

import dev.palimpsest.kernels.Activation;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.tensor.Functional;
import dev.palimpsest.tensor.Multiplication;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.random.RandomSource;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// Low-rank adapters of linear layers (Hu et al. 2021, arXiv 2106.09685): a few numbers that are learned beside
/// weights that stay as they are.
///
/// ```
/// y = W x + b + alpha / rank * B (A dropout(x))
/// ```
///
/// A `(rank, in)` starts at random and B `(out, rank)` at zero, so that nothing changes at first.
///
/// ```java
/// Lora lora = Lora.create(model, Lora.Settings.DEFAULTS, random, "*.ffn.fc1", "*.ffn.fc2").attach();
/// tape.watchAll(lora.parameters().values());             // learn
/// lora.detach();                                         // the model as it was
/// lora.merge();                                          // or its weights with the adapters in them
/// ```
///
/// Works on any [Module] whose linear layers are [Linear]s, whatever type their weights are stored in; a layer has one
/// adapter at a time. Attaching and detaching must not happen while another thread uses the model.
public final class Lora implements Scope.Holder {
    /// What all adapters have in common.
    ///
    /// @param rank numbers that go from A to B, where no given A says otherwise
    /// @param alpha strength: what the adapter says is multiplied by `alpha / rank`
    /// @param dropout share of the inputs that are left out in [Training]; the others are enlarged to make up for it
    public record Settings(int rank, double alpha, double dropout) {
        /// Rank 4, alpha 32, dropout 0.1.
        public static final Settings DEFAULTS = new Settings(4, 32, 0.1);

        /// Checks the ranges.
        public Settings {
            if (rank < 1) {
                throw new IllegalArgumentException("lora: rank " + rank + " is below 1");
            }
            if (!Double.isFinite(alpha)) {
                throw new IllegalArgumentException("lora: alpha " + alpha + " is not a number");
            }
            if (!(dropout >= 0 && dropout < 1)) {
                throw new IllegalArgumentException("lora: dropout " + dropout + " does not lie in [0, 1)");
            }
        }

        /// These settings with another [#dropout].
        public Settings withDropout(double dropout) {
            return new Settings(rank, alpha, dropout);
        }
    }

    /// Ending of the name of A, behind the path of its layer.
    public static final String DOWN = ".lora_A";

    /// Ending of the name of B, behind the path of its layer.
    public static final String UP = ".lora_B";

    private enum State {
        DETACHED,
        ATTACHED,
        MERGED
    }

    private final Settings settings;
    private final Dropout dropout;
    private final Map<String, Adapter> adapters;
    private final Map<String, Parameter> parameters;
    private State state = State.DETACHED;

    private Lora(Settings settings, Map<String, Adapter> adapters) {
        this.settings = settings;
        this.dropout = Dropout.elements(settings.dropout);
        this.adapters = adapters;
        Map<String, Parameter> all = new LinkedHashMap<>();
        adapters.forEach((path, a) -> {
            all.put(path + DOWN, a.down);
            all.put(path + UP, a.up);
        });
        this.parameters = Collections.unmodifiableMap(all);
    }

    /// New adapters for some linear layers, not attached yet. They belong to the current scope.
    ///
    /// @param random where A comes from, uniform between `+-1/sqrt(in)`
    /// @param layers paths relative to `root`, in which `*` stands for any text
    /// @throws IllegalArgumentException if one of the patterns fits no linear layer
    public static Lora create(Module root, Settings settings, RandomSource random, String... layers) {
        Map<String, Linear> found = linears(root);
        Map<String, Linear> chosen = new LinkedHashMap<>();
        List<Pattern> patterns = Arrays.stream(layers).map(Lora::pattern).toList();
        for (int i = 0; i < layers.length; i++) {
            Pattern p = patterns.get(i);
            if (found.keySet().stream().noneMatch(path -> p.matcher(path).matches())) {
                throw new IllegalArgumentException("lora: no linear layer's path is like " + layers[i]
                        + "; there are " + found.size() + ", such as "
                        + found.keySet().stream().limit(3).toList());
            }
        }
        found.forEach((path, layer) -> {
            if (patterns.stream().anyMatch(p -> p.matcher(path).matches())) {
                chosen.put(path, layer);
            }
        });
        Map<String, Adapter> adapters = new LinkedHashMap<>();
        chosen.forEach((path, layer) -> {
            float bound = (float) (1 / Math.sqrt(layer.in()));
            float[] values = new float[Math.multiplyExact(settings.rank, layer.in())];
            random.rand(values);
            for (int i = 0; i < values.length; i++) {
                values[i] = (2 * values[i] - 1) * bound;
            }
            Tensor down = Tensor.of(values, settings.rank, layer.in()); // (rank, in)
            adapters.put(path, new Adapter(layer, down, Tensor.zeros(layer.out(), settings.rank)));
        });
        return new Lora(settings, adapters);
    }

    /// Adapters with given numbers, which are copied; not attached yet. They belong to the current scope.
    ///
    /// @param tensors A as `<path>.lora_A` and B as `<path>.lora_B` for each layer. Both may also be flat, with their
    ///     rows behind each other. Their sizes tell the rank
    /// @throws IllegalArgumentException if a name is not of this kind, its layer is not there, its counterpart is
    ///     missing or its size does not fit
    public static Lora of(Module root, Settings settings, Map<String, Tensor> tensors) {
        Map<String, Linear> found = linears(root);
        Map<String, Adapter> adapters = new LinkedHashMap<>();
        for (String name : tensors.keySet()) {
            if (!name.endsWith(DOWN) && !name.endsWith(UP)) {
                throw new IllegalArgumentException("lora: " + name + " ends neither in " + DOWN + " nor in " + UP);
            }
            String path = name.substring(0, name.lastIndexOf('.'));
            Linear layer = found.get(path);
            Tensor down = tensors.get(path + DOWN);
            Tensor up = tensors.get(path + UP);
            if (layer == null) {
                throw new IllegalArgumentException("lora: " + name + " is for a linear layer that is not there");
            }
            if (down == null || up == null) {
                throw new IllegalArgumentException(
                        "lora: " + path + " has only one of " + path + DOWN + " and " + path + UP);
            }
            if (!adapters.containsKey(path)) {
                int rank = rank(path, down, up, layer);
                adapters.put(
                        path,
                        new Adapter(
                                layer,
                                Tensor.empty(DType.F32, Shape.of(rank, layer.in()))
                                        .copyInPlace(down.reshape(rank, layer.in())),
                                Tensor.empty(DType.F32, Shape.of(layer.out(), rank))
                                        .copyInPlace(up.reshape(layer.out(), rank))));
            }
        }
        if (adapters.isEmpty()) {
            throw new IllegalArgumentException("lora: there are no tensors of adapters");
        }
        return new Lora(settings, adapters);
    }

    private static int rank(String path, Tensor down, Tensor up, Linear layer) {
        int rank = Math.toIntExact(down.elements() / layer.in());
        boolean downFits = rank > 0 && (isFlat(down, rank * layer.in()) || isTable(down, rank, layer.in()));
        if (!downFits || !(isFlat(up, rank * layer.out()) || isTable(up, layer.out(), rank))) {
            throw new IllegalArgumentException("lora: " + path + " has A " + down.shape() + " and B " + up.shape()
                    + ", which do not fit its weight (" + layer.out() + ", " + layer.in() + ")");
        }
        return rank;
    }

    private static boolean isFlat(Tensor t, int elements) {
        return t.rank() == 1 && t.dim(0) == elements;
    }

    private static boolean isTable(Tensor t, int rows, int columns) {
        return t.rank() == 2 && t.dim(0) == rows && t.dim(1) == columns;
    }

    private static Map<String, Linear> linears(Module root) {
        Map<String, Linear> found = new LinkedHashMap<>();
        collect("", root, found);
        return found;
    }

    private static void collect(String path, Module at, Map<String, Linear> found) {
        if (at instanceof Linear linear) {
            found.put(path, linear);
        }
        at.children().forEach((name, part) -> collect(path.isEmpty() ? name : path + "." + name, part, found));
    }

    private static Pattern pattern(String layers) {
        return Pattern.compile(String.join(
                ".*", Arrays.stream(layers.split("\\*", -1)).map(Pattern::quote).toList()));
    }

    /// What all adapters have in common.
    public Settings settings() {
        return settings;
    }

    /// A and B of all adapters by name, `<path>.lora_A` and `<path>.lora_B`; all are f32.
    public Map<String, Parameter> parameters() {
        return parameters;
    }

    @Override
    public Iterable<Tensor> tensors() {
        return parameters.values().stream().map(Parameter::value).toList();
    }

    /// Puts the adapters into the model, beside its weights. Returns this.
    ///
    /// @throws IllegalStateException if they are in it already, or a layer has another adapter
    public Lora attach() {
        requireFree("attach");
        adapters.values().forEach(a -> a.layer.adapter(this, a));
        state = State.ATTACHED;
        return this;
    }

    /// Takes the adapters out of the model, which then is as it was before [#attach] or [#merge], to the last bit. Has
    /// no effect if they are not in it.
    public void detach() {
        if (state != State.DETACHED) {
            for (Adapter a : adapters.values()) {
                a.unmerge();
                a.layer.adapter(null, null);
            }
            state = State.DETACHED;
        }
    }

    /// Adds the adapters to the model's weights, which then cost nothing more when they are used; the original weights
    /// are only put aside. The sums are f32, in which narrower weights take more memory than before, and belong to the
    /// current scope. Returns this.
    ///
    /// @throws IllegalStateException if the adapters are in the model already, or a layer has another adapter
    public Lora merge() {
        return merge(DType.F32);
    }

    /// Adds the adapters to the model's weights, as [#merge()] does.
    ///
    /// @param type of the sums. A narrow one saves memory but rounds away what is small beside the weights
    /// @throws IllegalStateException if the adapters are in the model already, or a layer has another adapter
    public Lora merge(DType type) {
        requireFree("merge");
        for (Adapter a : adapters.values()) {
            a.merge(strength(a), type);
            a.layer.adapter(this, null);
        }
        state = State.MERGED;
        return this;
    }

    private void requireFree(String what) {
        if (state != State.DETACHED) {
            throw new IllegalStateException(
                    "lora " + what + ": the adapters are in the model already; detach them first");
        }
        for (Map.Entry<String, Adapter> e : adapters.entrySet()) {
            if (e.getValue().layer.isAdapted()) {
                throw new IllegalStateException(
                        "lora " + what + ": " + e.getKey() + " has another adapter; detach that first");
            }
        }
    }

    private double strength(Adapter adapter) {
        return settings.alpha / adapter.down.shape().dim(0);
    }

    /// What an adapter adds to its layer's output.
    ///
    /// @param x `(..., in)`
    /// @return `(..., out)`
    private Tensor addition(Adapter adapter, Tensor x) {
        return Scope.run(() -> {
            Tensor inner = Functional.linear(dropout.forward(x), adapter.down.value(), null); // (..., rank)
            return Functional.linear(inner.mul(strength(adapter)), adapter.up.value(), null);
        });
    }

    /// `residual + gate * activation(x W^T + b + addition)`
    static Tensor forward(
            Lora lora,
            Adapter adapter,
            Tensor x,
            Tensor weight,
            Multiplication by,
            @Nullable Tensor bias,
            Activation activation,
            @Nullable Tensor gate,
            @Nullable Tensor residual) {
        return Scope.run(() -> {
            Tensor addition = lora.addition(adapter, x); // (..., out)
            Tensor sum = Functional.linear(x, weight, by, bias, Activation.NONE, null, addition); // (..., out)
            Tensor y = switch (activation) {
                case NONE -> sum;
                case SILU -> sum.silu();
                case GELU_TANH -> sum.geluTanh();
            };
            Tensor gated = gate == null ? y : y.mul(gate);
            return residual == null ? gated : gated.add(residual);
        });
    }

    /// The adapter of one layer.
    static final class Adapter {
        private final Linear layer;
        private final Parameter down; // (rank, in)
        private final Parameter up; // (out, rank)
        private @Nullable Tensor original; // (out, in), while merged

        Adapter(Linear layer, Tensor down, Tensor up) {
            this.layer = layer;
            this.down = new Parameter(down);
            this.up = new Parameter(up);
        }

        void merge(double strength, DType type) {
            Tensor weight = layer.weight().value();
            layer.weight()
                    .replace(Scope.run(() -> weight.to(DType.F32)
                            .add(up.value().matmul(down.value()).mul(strength))
                            .to(type)));
            original = weight;
        }

        void unmerge() {
            if (original != null) {
                layer.weight().replace(original);
                original = null;
            }
        }
    }
}
