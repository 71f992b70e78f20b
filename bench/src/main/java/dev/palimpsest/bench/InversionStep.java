package dev.palimpsest.bench;

import dev.palimpsest.kernels.KernelProviders;
import dev.palimpsest.kernels.KernelSelection;
import dev.palimpsest.models.api.Cancellation;
import dev.palimpsest.models.editinfinity.BitLoss;
import dev.palimpsest.models.editinfinity.BitwiseSelfCorrection;
import dev.palimpsest.models.editinfinity.BitwiseSelfCorrection.Flips;
import dev.palimpsest.models.editinfinity.BitwiseSelfCorrection.Lesson;
import dev.palimpsest.models.editinfinity.LearnedPrompt;
import dev.palimpsest.models.infinity.BiasMode;
import dev.palimpsest.models.infinity.InfinityConfig;
import dev.palimpsest.models.infinity.InfinityTransformer;
import dev.palimpsest.models.infinity.MultiScaleBsq;
import dev.palimpsest.models.infinity.PictureLayout;
import dev.palimpsest.models.infinity.PictureSize;
import dev.palimpsest.models.infinity.ScaleSchedule;
import dev.palimpsest.models.infinity.TextFeatures;
import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.autograd.Gradients;
import dev.palimpsest.tensor.autograd.Tape;
import dev.palimpsest.tensor.nn.Lora;
import dev.palimpsest.tensor.nn.Parameter;
import dev.palimpsest.tensor.nn.Training;
import dev.palimpsest.tensor.optim.AdamW;
import dev.palimpsest.tensor.optim.GradientClipping;
import dev.palimpsest.tensor.random.TorchCpuRandom;
import dev.palimpsest.weights.Checkpoint;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Supplier;

/// Time and memory of an update of an inversion: a forward pass over all tokens of a picture that keeps the states
/// between blocks, a backward pass that computes each block again, and an update by AdamW.
///
/// ```
/// bench/inversion-step TRANSFORMER prompt|adapters [PIXELS [UPDATES]]
/// ```
///
/// What it prints as work are the multiplications and additions of the matrix products and of attention, counted by
/// [Work]; elementwise functions are left out. Latent and text are random, which does not change the time.
public final class InversionStep {
    private static final int TEXT_TOKENS = 30;
    private static final double GIGA = 1e9;
    private static final double GIBI = 1L << 30;

    private InversionStep() {}

    /// Measures some updates and prints what each took.
    ///
    /// @param args file of the transformer, stage, size of the picture, number of updates
    /// @throws IOException if there is no such file
    public static void main(String[] args) throws IOException {
        PrintStream out = System.out;
        if (args.length < 2) {
            out.println("usage: inversion-step TRANSFORMER prompt|adapters [PIXELS [UPDATES]]");
            return;
        }
        boolean adapters = args[1].equals("adapters");
        PictureSize size = PictureSize.of(args.length > 2 ? args[2] : PictureSize.P_0_25M.label());
        int updates = args.length > 3 ? Integer.parseInt(args[3]) : 2;
        KernelSelection kernels = KernelProviders.lookup();
        try (Checkpoint weights = Checkpoint.open(Path.of(args[0]));
                Scope scope = Scope.open()) {
            scope.call(() -> {
                InfinityTransformer model = InfinityTransformer.load(weights, JsonObject.empty(args[0]));
                PictureLayout layout = PictureLayout.of(1, size);
                Work work = Work.of(model.config(), layout.schedule(), adapters);
                out.printf(
                        "%s, %d blocks, %d tokens, %d threads: %.1f TFLOP%n",
                        kernels.name(),
                        model.depth(),
                        layout.schedule().length(),
                        kernels.parallel().threads(),
                        work.total() / GIGA / 1000);
                Updates learning = new Updates(model, layout, adapters, out);
                for (int i = 1; i <= updates; i++) {
                    long start = System.nanoTime();
                    double processor = processorSeconds();
                    double loss = Scope.run(learning::update);
                    double seconds = (System.nanoTime() - start) / GIGA;
                    out.printf(
                            "update %d: %.1f s, %.0f GFLOP/s; %.1f s of processor time, %.0f GFLOP/s each; loss %.4f%n",
                            i,
                            seconds,
                            work.total() / seconds / GIGA,
                            processorSeconds() - processor,
                            work.total() / (processorSeconds() - processor) / GIGA,
                            loss);
                    out.printf(
                            "  memory: tensors at most %.2f GiB, process at most %s with mapped weights%n",
                            scope.peakBytes() / GIBI, processPeak());
                }
                return null;
            });
        }
    }

    /// Processor time of all threads: what the update would take of one processor that does nothing else.
    private static double processorSeconds() {
        return ProcessHandle.current()
                .info()
                .totalCpuDuration()
                .map(time -> time.toNanos() / GIGA)
                .orElse(Double.NaN);
    }

    /// The process's largest resident size so far, mapped weights included, where the system tells.
    private static String processPeak() {
        Path status = Path.of("/proc/self/status");
        if (!Files.isReadable(status)) {
            return "unknown";
        }
        try {
            return Files.readAllLines(status).stream()
                    .filter(line -> line.startsWith("VmHWM:"))
                    .map(line -> "%.2f GiB".formatted(Long.parseLong(line.replaceAll("\\D", "")) * 1024 / GIBI))
                    .findFirst()
                    .orElse("unknown");
        } catch (IOException e) {
            return "unknown";
        }
    }

    /// Floating-point operations of an update.
    ///
    /// @param blocks number of blocks
    /// @param linear of a block's linear layers, forward: `2 L w` for L tokens and w weights
    /// @param attention of a block's attention, forward: `4 C` for each pair of a query and a key it sees, half for
    ///     the scores and half for the sums of values
    /// @param outside of the linear layers outside of the blocks, forward
    record Work(int blocks, double linear, double attention, double outside) {
        static Work of(InfinityConfig config, ScaleSchedule schedule, boolean adapters) {
            double tokens = schedule.length();
            double text = TEXT_TOKENS + LearnedPrompt.USED;
            double dim = config.embedDim();
            double pairs = tokens * text;
            for (int k = 0; k < schedule.size(); k++) {
                pairs += (double) schedule.get(k).area() * schedule.start(k + 1);
            }
            return new Work(
                    config.depth(),
                    2 * tokens * (6 * dim * dim + 2 * dim * config.ffnHidden()) + 2 * text * 2 * dim * dim,
                    4 * dim * pairs,
                    2 * tokens * dim * 3 * config.bits());
        }

        /// Blocks run forward twice, once in the forward pass and once more in the backward pass. Going backward takes
        /// one product for a linear layer, by its input, since its weight is frozen; and for attention five products
        /// where forward has two, since the scores are computed again.
        double total() {
            return blocks * (3 * linear + 4.5 * attention) + 2 * outside;
        }
    }

    /// Updates with the settings of the original.
    private static final class Updates {
        private final InfinityTransformer model;
        private final PictureLayout layout;
        private final TorchCpuRandom random = new TorchCpuRandom(1);
        private final Tensor latent; // (1, channels, H, W)
        private final Supplier<TextFeatures> text;
        private final List<Tensor> learned;
        private final AdamW optimiser;
        private final BitLoss loss;
        private final PrintStream out;

        Updates(InfinityTransformer model, PictureLayout layout, boolean adapters, PrintStream out) {
            this.model = model;
            this.layout = layout;
            this.out = out;
            var config = model.config();
            var full = layout.schedule().last().times(config.patch());
            latent = normal(1, config.latentChannels(), full.height(), full.width());
            LearnedPrompt prompt = new LearnedPrompt(normal(1, LearnedPrompt.USED, config.textChannels()));
            TextFeatures words = new TextFeatures(normal(TEXT_TOKENS, config.textChannels()), new int[] {TEXT_TOKENS});
            text = () -> prompt.appendedTo(words);
            if (adapters) {
                Lora lora = Lora.create(model, Lora.Settings.DEFAULTS, random, "*.ffn.fc1", "*.ffn.fc2")
                        .attach();
                learned = lora.parameters().values().stream()
                        .map(Parameter::value)
                        .toList();
            } else {
                learned = List.of(prompt.embedding());
            }
            loss = adapters ? BitLoss.ADAPTERS : BitLoss.PROMPT;
            optimiser = new AdamW(learned, new AdamW.Settings(0.9, 0.97, 1e-8, 0.005));
        }

        private Tensor normal(int... dims) {
            int n = 1;
            for (int dim : dims) {
                n *= dim;
            }
            float[] values = new float[n];
            random.randn(values);
            return Tensor.of(values, dims);
        }

        double update() {
            Lesson lesson = new BitwiseSelfCorrection(
                            new MultiScaleBsq(model.config().latentChannels()),
                            model.config().patch())
                    .lesson(latent, layout.schedule(), Flips.random(0.3, 13, random));
            try (Tape tape = new Tape()) {
                learned.forEach(tape::watch);
                long start = System.nanoTime();
                Tensor value = Training.run(
                        random,
                        () -> tape.record(() -> {
                            var condition = model.condition(text.get(), BiasMode.EDITINFINITY);
                            Tensor logits = model.forward(lesson.inputs(), condition, layout, 0.1, new Cancellation());
                            return loss.of(logits, lesson.bits(), layout.schedule()); // ()
                        }));
                double before = value.item();
                out.printf("  forward %.1f s%n", (System.nanoTime() - start) / GIGA);
                Gradients gradients = tape.backward(value);
                GradientClipping.byGlobalNorm(gradients, 5);
                optimiser.step(gradients, 4.6875e-5);
                return before;
            }
        }
    }
}
