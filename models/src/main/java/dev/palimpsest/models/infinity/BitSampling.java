package dev.palimpsest.models.infinity;

import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/// How bits are drawn, and how strongly the text is followed. Immutable; defaults are those of the original.
///
/// @param guidance strength of classifier-free guidance for each scale, or one for all of them; 1 follows the text as
///     the network does by itself, and needs half the work if it is 1 at all scales
/// @param temperature what scores are divided by, for each scale or one for all of them; above 0, small is decided
/// @param guidanceLayers where guidance is applied: 0 for the scores, a negative number for the hidden states behind a
///     block, counted from the end (-1 is the last block). The original accepts 1 as well and does nothing with it
/// @param topK how many of the two values of a bit may be drawn: 1 takes the likelier, everything else leaves both,
///     also 0
/// @param topP share of the probability that must be left: a value at most as likely as `1 - topP` is not drawn unless
///     it is the likelier one; 0 leaves both
public record BitSampling(
        List<Double> guidance, List<Double> temperature, List<Integer> guidanceLayers, int topK, double topP) {
    /// The place of guidance on the scores.
    public static final int ON_SCORES = 0;

    /// The place that the original accepts without effect.
    private static final int WITHOUT_EFFECT = 1;

    private static final BitSampling DEFAULTS =
            new BitSampling(List.of(3.0), List.of(1.0), List.of(ON_SCORES), 900, 0.97);

    /// Copies the lists and checks the numbers.
    ///
    /// @throws IllegalArgumentException naming the option that makes no sense
    public BitSampling {
        guidance = List.copyOf(guidance);
        temperature = List.copyOf(temperature);
        guidanceLayers = List.copyOf(guidanceLayers);
        if (guidance.isEmpty() || !guidance.stream().allMatch(Double::isFinite)) {
            throw new IllegalArgumentException("guidance: " + guidance + " must be one or more numbers");
        }
        if (temperature.isEmpty() || !temperature.stream().allMatch(t -> t > 0 && Double.isFinite(t))) {
            throw new IllegalArgumentException("tau: " + temperature + " must be one or more numbers above 0");
        }
        for (int layer : guidanceLayers) {
            if (layer > WITHOUT_EFFECT) {
                throw new IllegalArgumentException("guidance layer: " + layer
                        + " is neither 0, for the scores, nor a negative number of a block counted from the end");
            }
        }
        if (topK < 0) {
            throw new IllegalArgumentException("top-k: " + topK + " is below 0");
        }
        if (!(topP >= 0 && topP <= 1)) {
            throw new IllegalArgumentException("top-p: " + topP + " does not lie between 0 and 1");
        }
    }

    /// The original's defaults.
    public static BitSampling defaults() {
        return DEFAULTS;
    }

    /// These options with one strength of guidance for all scales.
    public BitSampling withGuidance(double guidance) {
        return withGuidance(List.of(guidance));
    }

    /// These options with other [#guidance].
    public BitSampling withGuidance(List<Double> guidance) {
        return new BitSampling(guidance, temperature, guidanceLayers, topK, topP);
    }

    /// These options with one temperature for all scales.
    public BitSampling withTemperature(double temperature) {
        return withTemperature(List.of(temperature));
    }

    /// These options with another [#temperature].
    public BitSampling withTemperature(List<Double> temperature) {
        return new BitSampling(guidance, temperature, guidanceLayers, topK, topP);
    }

    /// These options with other [#guidanceLayers].
    public BitSampling withGuidanceLayers(List<Integer> guidanceLayers) {
        return new BitSampling(guidance, temperature, guidanceLayers, topK, topP);
    }

    /// These options with another [#topK].
    public BitSampling withTopK(int topK) {
        return new BitSampling(guidance, temperature, guidanceLayers, topK, topP);
    }

    /// These options with another [#topP].
    public BitSampling withTopP(double topP) {
        return new BitSampling(guidance, temperature, guidanceLayers, topK, topP);
    }

    /// Strength of guidance at a scale.
    double guidance(int scale) {
        return at(guidance, scale);
    }

    /// Temperature at a scale.
    double temperature(int scale) {
        return at(temperature, scale);
    }

    private static double at(List<Double> values, int scale) {
        return values.size() == 1 ? values.getFirst() : values.get(scale);
    }

    /// Checks that there is a value for each scale of a picture.
    void requireScales(int scales) {
        requireScales("guidance", guidance, scales);
        requireScales("tau", temperature, scales);
    }

    private static void requireScales(String name, Collection<Double> values, int scales) {
        if (values.size() > 1 && values.size() < scales) {
            throw new IllegalArgumentException(name + ": there are " + values.size() + " values for the picture's "
                    + scales + " scales; give one for each, or a single one for all");
        }
    }

    /// Whether any of the first scales is guided, so that every sample needs a counterpart without the text.
    boolean isGuided(int scales) {
        for (int k = 0; k < scales; k++) {
            if (guidance(k) != 1) {
                return true;
            }
        }
        return false;
    }

    /// Whether the scores are guided.
    boolean isOnScores() {
        return guidanceLayers.contains(ON_SCORES);
    }

    /// The blocks behind which hidden states are guided.
    ///
    /// @throws IllegalArgumentException if there is no such block, or it is the first one, which the original refuses
    Set<Integer> guidedBlocks(int depth) {
        Set<Integer> blocks = new TreeSet<>();
        for (int layer : guidanceLayers) {
            if (layer < 0) {
                if (depth + layer <= 0) {
                    throw new IllegalArgumentException("guidance layer: " + layer + " lies before the second of the "
                            + depth + " blocks, which is the first that can be guided");
                }
                blocks.add(depth + layer);
            }
        }
        return blocks;
    }

    /// Probabilities of the two values of each bit, those that must not be drawn being 0.
    ///
    /// Everything is rounded to f32 as in the original.
    ///
    /// @param scores pairs: the score of 0 and that of 1
    /// @return pairs
    float[] probabilities(float[] scores) {
        float[] p = new float[scores.length];
        float least = (float) (1 - topP);
        for (int i = 0; i < scores.length; i += 2) {
            float a = scores[i];
            float b = scores[i + 1];
            float max = Math.max(a, b);
            float ea = (float) Math.exp(a - max);
            float eb = (float) Math.exp(b - max);
            float sum = ea + eb;
            float pa = ea / sum;
            float pb = eb / sum;
            boolean onlyLikelier = topK == 1 && a != b;
            boolean dropA = a <= b && (onlyLikelier || (topP > 0 && pa <= least));
            boolean dropB = b < a && (onlyLikelier || (topP > 0 && pb <= least));
            p[i] = dropA ? 0 : dropB ? 1 : pa;
            p[i + 1] = dropB ? 0 : dropA ? 1 : pb;
        }
        return p;
    }
}
