package dev.palimpsest.models.infinity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

class BitSamplingTest {
    /// The probability of 1 with the score 0 is that of the logistic function.
    @ParameterizedTest
    @CsvSource({
        // score of 1, top-k, top-p, probability of 0, probability of 1
        "0, 0, 0, 0.5, 0.5",
        "1, 0, 0, 0.2689414, 0.7310586",
        "-1, 2, 0, 0.7310586, 0.2689414",
        "1, 900, 0, 0.2689414, 0.7310586",
        "1, 1, 0, 0, 1",
        "-1, 1, 0, 1, 0",
        "0, 1, 0, 0.5, 0.5",
        "3.4, 900, 0.97, 0.0322955, 0.9677045",
        "3.5, 900, 0.97, 0, 1",
        "-3.4, 900, 0.97, 0.9677045, 0.0322955",
        "-3.5, 900, 0.97, 1, 0",
        "0.1, 0, 0.2, 0, 1",
    })
    void valuesThatAreTooUnlikelyAreNotDrawn(float score, int topK, double topP, double zero, double one) {
        float[] p = BitSampling.defaults().withTopK(topK).withTopP(topP).probabilities(new float[] {0, score});
        assertThat((double) p[0]).isCloseTo(zero, within(1e-6));
        assertThat((double) p[1]).isCloseTo(one, within(1e-6));
        assertThat(p[0] == 0).isEqualTo(zero == 0);
    }

    @Test
    void largeScoresDoNotOverflow() {
        float[] p = BitSampling.defaults().withTopP(0).probabilities(new float[] {1e30f, 1e30f, -200, 200});
        assertThat(p).containsExactly(0.5f, 0.5f, 0, 1);
    }

    @Test
    void aSingleValueServesAllScales() {
        BitSampling one = BitSampling.defaults().withGuidance(4);
        one.requireScales(13);
        assertThat(one.guidance(12)).isEqualTo(4);
        BitSampling each = one.withGuidance(List.of(4.0, 3.0, 1.0));
        each.requireScales(3);
        assertThat(each.guidance(2)).isEqualTo(1);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> each.requireScales(4))
                .withMessageContaining("3 values for the picture's 4 scales");
    }

    @Test
    void onlyScalesThatThereAreCountAsGuided() {
        BitSampling late = BitSampling.defaults().withGuidance(List.of(1.0, 1.0, 3.0));
        assertThat(late.isGuided(2)).isFalse();
        assertThat(late.isGuided(3)).isTrue();
    }

    @Test
    void guidedBlocksAreCountedFromTheEnd() {
        BitSampling sampling = BitSampling.defaults().withGuidanceLayers(List.of(-1, -3, 1));
        assertThat(sampling.guidedBlocks(4)).containsExactly(1, 3);
        assertThat(sampling.isOnScores()).isFalse();
        assertThatIllegalArgumentException()
                .isThrownBy(() -> sampling.guidedBlocks(3))
                .withMessageContaining("guidance layer: -3");
    }

    static Stream<Arguments> nonsense() {
        return Stream.of(
                Arguments.of("guidance", op(s -> s.withGuidance(List.of()))),
                Arguments.of("guidance", op(s -> s.withGuidance(Double.NaN))),
                Arguments.of("tau", op(s -> s.withTemperature(0))),
                Arguments.of("tau", op(s -> s.withTemperature(List.of(1.0, -1.0)))),
                Arguments.of("guidance layer", op(s -> s.withGuidanceLayers(List.of(2)))),
                Arguments.of("top-k", op(s -> s.withTopK(-1))),
                Arguments.of("top-p", op(s -> s.withTopP(1.5))));
    }

    private static UnaryOperator<BitSampling> op(UnaryOperator<BitSampling> change) {
        return change;
    }

    @ParameterizedTest
    @MethodSource("nonsense")
    void whatMakesNoSenseIsRefusedByName(String name, UnaryOperator<BitSampling> change) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> change.apply(BitSampling.defaults()))
                .withMessageStartingWith(name + ": ");
    }
}
