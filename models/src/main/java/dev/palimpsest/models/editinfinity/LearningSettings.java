package dev.palimpsest.models.editinfinity;

import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.tensor.optim.AdamW;

/// How an [InversionTrainer] learns. Immutable; defaults are those of the original.
///
/// @param rate learning rate
/// @param optimiser settings of the optimiser
/// @param clipNorm bound on the norm of all gradients together
/// @param loss what is made small
/// @param flips highest probability with which bits of the inputs are wrong on purpose; 0 for none
/// @param flippedScales how many scales have wrong bits
/// @param textDropout probability with which an update sees no text at all
/// @param dropPath probability with which the last block leaves out a branch, see
///     [dev.palimpsest.models.infinity.InfinityTransformer#forward]
public record LearningSettings(
        double rate,
        AdamW.Settings optimiser,
        double clipNorm,
        BitLoss loss,
        double flips,
        int flippedScales,
        double textDropout,
        double dropPath) {
    /// For the learned prompt.
    public static final LearningSettings PROMPT = new LearningSettings(
            4.6875e-5, new AdamW.Settings(0.9, 0.97, 1e-8, 0.005), 5, BitLoss.PROMPT, 0.3, 13, 0.1, 0.1);

    /// For low-rank adapters.
    public static final LearningSettings ADAPTERS = PROMPT.withLoss(BitLoss.ADAPTERS);

    /// Checks the numbers.
    ///
    /// @throws IllegalArgumentException naming the one that makes no sense
    public LearningSettings {
        if (!(rate > 0 && Double.isFinite(rate))) {
            throw new IllegalArgumentException("inversion: learning rate " + rate + " is not above 0");
        }
        if (!(clipNorm > 0)) {
            throw new IllegalArgumentException("inversion: the bound " + clipNorm + " on the gradients is not above 0");
        }
        if (flippedScales < 0) {
            throw new IllegalArgumentException("inversion: " + flippedScales + " scales cannot have wrong bits");
        }
        requireShare("share of wrong bits", flips);
        requireShare("text dropout", textDropout);
        requireShare("drop path", dropPath);
    }

    private static void requireShare(String name, double value) {
        if (!(value >= 0 && value < 1)) {
            throw new IllegalArgumentException("inversion: " + name + " " + value + " does not lie in [0, 1)");
        }
    }

    /// What a model folder asks for, in the original's own words, over these settings.
    ///
    /// @param settings fields `noise_apply_strength`, `noise_apply_layers`, `cond_drop_rate`, `drop_path`,
    ///     `reweight_loss_by_scale`, `bitloss_type` (`mean` or `sum`), all of them optional
    /// @throws IllegalArgumentException if a setting is not supported
    public LearningSettings over(JsonObject settings) {
        String type = settings.text("bitloss_type", loss.summed() ? "sum" : "mean");
        if (!type.equals("mean") && !type.equals("sum")) {
            throw new IllegalArgumentException(
                    settings.origin() + ": bitloss_type \"" + type + "\" is neither \"mean\" nor \"sum\"");
        }
        boolean weighted = settings.value("reweight_loss_by_scale") instanceof Boolean given
                ? given
                : settings.int32("reweight_loss_by_scale", loss.scaleWeights() ? 1 : 0) != 0;
        return withLoss(new BitLoss(weighted, type.equals("sum"), loss.klWeight()))
                .withFlips(
                        settings.number("noise_apply_strength", flips),
                        settings.int32("noise_apply_layers", flippedScales))
                .withDropouts(settings.number("cond_drop_rate", textDropout), settings.number("drop_path", dropPath));
    }

    /// These settings with another learning rate.
    public LearningSettings withRate(double rate) {
        return new LearningSettings(rate, optimiser, clipNorm, loss, flips, flippedScales, textDropout, dropPath);
    }

    /// These settings with another optimiser.
    public LearningSettings withOptimiser(AdamW.Settings optimiser) {
        return new LearningSettings(rate, optimiser, clipNorm, loss, flips, flippedScales, textDropout, dropPath);
    }

    /// These settings with another bound on the gradients.
    public LearningSettings withClipNorm(double clipNorm) {
        return new LearningSettings(rate, optimiser, clipNorm, loss, flips, flippedScales, textDropout, dropPath);
    }

    /// These settings with another loss.
    public LearningSettings withLoss(BitLoss loss) {
        return new LearningSettings(rate, optimiser, clipNorm, loss, flips, flippedScales, textDropout, dropPath);
    }

    /// These settings with other wrong bits.
    public LearningSettings withFlips(double flips, int flippedScales) {
        return new LearningSettings(rate, optimiser, clipNorm, loss, flips, flippedScales, textDropout, dropPath);
    }

    /// These settings with other probabilities of leaving out the text and branches of blocks.
    public LearningSettings withDropouts(double textDropout, double dropPath) {
        return new LearningSettings(rate, optimiser, clipNorm, loss, flips, flippedScales, textDropout, dropPath);
    }

    /// These settings without anything random but the dropout of adapters: no wrong bits, nothing left out.
    public LearningSettings withoutRandomness() {
        return withFlips(0, 0).withDropouts(0, 0);
    }
}
