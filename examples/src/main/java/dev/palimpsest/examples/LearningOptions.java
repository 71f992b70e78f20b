package dev.palimpsest.examples;

import dev.palimpsest.models.editinfinity.BitLoss;
import dev.palimpsest.models.editinfinity.InvertOptions;
import dev.palimpsest.models.editinfinity.LearningSettings;
import dev.palimpsest.tensor.nn.Lora;
import dev.palimpsest.tensor.optim.AdamW;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;

/// How `invert` learns: the settings of the original, stage by stage. Where a setting takes two values, the first is
/// for the learned prompt and the second for the adapters; one value is for both.
final class LearningOptions {
    @Option(
            names = "--prompt-updates",
            paramLabel = "N",
            description = "Updates of the learned prompt. N are N; what the original calls N makes N - 1.")
    @Nullable
    Integer promptUpdates;

    @Option(
            names = "--lora-updates",
            paramLabel = "N",
            description = "Updates of the low-rank adapters, after those of the learned prompt.")
    @Nullable
    Integer loraUpdates;

    @Option(names = "--prompt-rate", paramLabel = "X", description = "Learning rate of the learned prompt.")
    @Nullable
    Double promptRate;

    @Option(names = "--lora-rate", paramLabel = "X", description = "Learning rate of the adapters.")
    @Nullable
    Double loraRate;

    @Option(
            names = "--betas",
            paramLabel = "X",
            split = ",",
            description = "Decay of AdamW's two moments: 0.9,0.97. Four numbers are two for each stage.")
    @Nullable
    List<Double> betas;

    @Option(names = "--epsilon", paramLabel = "X", split = ",", description = "AdamW's epsilon.")
    @Nullable
    List<Double> epsilon;

    @Option(names = "--weight-decay", paramLabel = "X", split = ",", description = "AdamW's decoupled weight decay.")
    @Nullable
    List<Double> weightDecay;

    @Option(
            names = "--clip-norm",
            paramLabel = "X",
            split = ",",
            description = "Bound on the norm of all gradients together.")
    @Nullable
    List<Double> clipNorm;

    @Option(
            names = "--flips",
            paramLabel = "X",
            split = ",",
            description = "Highest probability with which bits that the model sees are wrong on purpose; 0 for none.")
    @Nullable
    List<Double> flips;

    @Option(
            names = "--flipped-scales",
            paramLabel = "N",
            split = ",",
            description = "How many scales, from the smallest, have wrong bits.")
    @Nullable
    List<Integer> flippedScales;

    @Option(
            names = "--text-dropout",
            paramLabel = "X",
            split = ",",
            description = "Probability with which an update sees no text.")
    @Nullable
    List<Double> textDropout;

    @Option(
            names = "--drop-path",
            paramLabel = "X",
            split = ",",
            description = "Probability with which the last block leaves out a branch; less for the blocks before it.")
    @Nullable
    List<Double> dropPath;

    @Option(
            names = "--scale-weights",
            negatable = true,
            description = "Whether small scales count more than by their number of tokens.")
    @Nullable
    Boolean scaleWeights;

    @Option(
            names = "--bit-loss",
            paramLabel = "HOW",
            converter = BitSumConverter.class,
            description = "How the losses of a token's bits become one: mean or sum.")
    @Nullable
    BitSum bitLoss;

    @Option(names = "--kl-weight", paramLabel = "X", description = "Weight of the divergence in the adapters' loss.")
    @Nullable
    Double klWeight;

    @Option(names = "--prompt-rows", paramLabel = "N", description = "Rows of the learned prompt.")
    @Nullable
    Integer promptRows;

    @Option(names = "--lora-rank", paramLabel = "N", description = "Rank of the adapters.")
    @Nullable
    Integer loraRank;

    @Option(names = "--lora-alpha", paramLabel = "X", description = "Strength of the adapters, divided by their rank.")
    @Nullable
    Double loraAlpha;

    @Option(names = "--lora-dropout", paramLabel = "X", description = "Share of the adapters' inputs left out.")
    @Nullable
    Double loraDropout;

    @Option(
            names = "--lora-start",
            paramLabel = "FILE",
            description = "Where the adapters start, instead of at random: safetensors or PyTorch.")
    @Nullable
    Path loraStart;

    @Option(
            names = "--instruction",
            paramLabel = "TEXT",
            description = "What is put behind prompts to announce the learned prompt.")
    @Nullable
    String instruction;

    @Option(
            names = "--cut-caption",
            negatable = true,
            description = "Whether '--' in the source prompt ends it, as in captions with settings behind them.")
    @Nullable
    Boolean cutCaption;

    @Option(
            names = "--drop-sentences",
            negatable = true,
            description = "Whether updates may see only the first sentences of a source prompt of more than two.")
    @Nullable
    Boolean dropSentences;

    /// How the losses of a token's bits become one.
    enum BitSum {
        MEAN,
        SUM
    }

    /// Reads `mean` and `sum`.
    static final class BitSumConverter implements ITypeConverter<BitSum> {
        @Override
        public BitSum convert(String value) {
            return Words.constant(BitSum.values(), value);
        }
    }

    /// These options over a model's own.
    ///
    /// @throws UserException if one of them makes no sense
    InvertOptions over(InvertOptions model) {
        requireFile("--lora-start", loraStart);
        require("--prompt-updates", promptUpdates, 0);
        require("--lora-updates", loraUpdates, 0);
        require("--prompt-rows", promptRows, 1);
        try {
            InvertOptions o = model;
            o = o.withUpdates(
                    promptUpdates == null ? o.promptUpdates() : promptUpdates,
                    loraUpdates == null ? o.adapterUpdates() : loraUpdates);
            o = promptRows == null ? o : o.withLearnedRows(promptRows);
            o = instruction == null ? o : o.withInstruction(instruction);
            o = cutCaption == null ? o : o.withCaption(o.caption().withCutsAtDashes(cutCaption));
            o = dropSentences == null ? o : o.withCaption(o.caption().withDropsSentences(dropSentences));
            o = loraStart == null ? o : o.withAdapterStart(loraStart);
            Lora.Settings lora = o.lora();
            return o.withLora(new Lora.Settings(
                            loraRank == null ? lora.rank() : loraRank,
                            loraAlpha == null ? lora.alpha() : loraAlpha,
                            loraDropout == null ? lora.dropout() : loraDropout))
                    .withPrompt(stage(o.prompt(), 0, promptRate, null))
                    .withAdapters(stage(o.adapters(), 1, loraRate, klWeight));
        } catch (IllegalArgumentException e) {
            throw new UserException(String.valueOf(e.getMessage()), e);
        }
    }

    /// Checks a number that counts something.
    ///
    /// @throws UserException if there are too few
    static void require(String option, @Nullable Integer value, int least) {
        if (value != null && value < least) {
            throw new UserException(
                    option + ": " + value + " must " + (least == 0 ? "not be negative" : "be at least " + least));
        }
    }

    /// Checks that a file that is given is there.
    ///
    /// @throws UserException if it is not
    static void requireFile(String option, @Nullable Path file) {
        if (file != null && !Files.exists(file)) {
            throw new UserException(option + ": " + file + " does not exist");
        }
    }

    private LearningSettings stage(
            LearningSettings model, int stage, @Nullable Double rate, @Nullable Double klWeight) {
        AdamW.Settings a = model.optimiser();
        List<Double> decays = pairs(betas, stage, List.of(a.beta1(), a.beta2()));
        BitLoss loss = model.loss();
        return model.withRate(rate == null ? model.rate() : rate)
                .withOptimiser(new AdamW.Settings(
                        decays.getFirst(),
                        decays.getLast(),
                        of("--epsilon", epsilon, stage, a.eps()),
                        of("--weight-decay", weightDecay, stage, a.weightDecay())))
                .withClipNorm(of("--clip-norm", clipNorm, stage, model.clipNorm()))
                .withFlips(
                        of("--flips", flips, stage, model.flips()),
                        of("--flipped-scales", flippedScales, stage, model.flippedScales()))
                .withDropouts(
                        of("--text-dropout", textDropout, stage, model.textDropout()),
                        of("--drop-path", dropPath, stage, model.dropPath()))
                .withLoss(new BitLoss(
                        scaleWeights == null ? loss.scaleWeights() : scaleWeights,
                        bitLoss == null ? loss.summed() : bitLoss == BitSum.SUM,
                        klWeight == null ? loss.klWeight() : klWeight));
    }

    private static <T> T of(String option, @Nullable List<T> values, int stage, T model) {
        if (values == null) {
            return model;
        }
        if (values.size() > 2) {
            throw new UserException(
                    option + ": there are " + values.size() + " values; give one, or one for each of the two stages");
        }
        return values.get(Math.min(stage, values.size() - 1));
    }

    private static List<Double> pairs(@Nullable List<Double> values, int stage, List<Double> model) {
        if (values == null) {
            return model;
        }
        if (values.size() != 2 && values.size() != 4) {
            throw new UserException(
                    "--betas: there are " + values.size() + " values; give two, or two for each of the two stages");
        }
        int at = values.size() == 2 ? 0 : 2 * stage;
        return values.subList(at, at + 2);
    }
}
