package dev.palimpsest.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class KeyRangesTest {
    @Test
    void fullShowsEverything() {
        assertThat(picture(KeyRanges.full(2, 3))).isEqualTo("""
                ###
                ###""");
        assertThat(KeyRanges.full(0, 3).queries()).isZero();
        assertThat(KeyRanges.full(2, 0).keys()).isZero();
    }

    @Test
    void packedShowsEverySampleItself() {
        assertThat(picture(KeyRanges.packed(new int[] {1, 0, 2, 1}, new int[] {2, 1, 2, 0})))
                .isEqualTo("""
                ##...
                ...##
                ...##
                .....""");
    }

    @Test
    void causalShowsThePast() {
        assertThat(picture(KeyRanges.causal(3, 3))).isEqualTo("""
                #..
                ##.
                ###""");
        assertThat(picture(KeyRanges.causal(2, 4))).isEqualTo("""
                ###.
                ####""");
    }

    @Test
    void blockCausalShowsOwnAndEarlierBlocksOfTheSample() {
        assertThat(picture(KeyRanges.blockCausal(new int[][] {{1, 2}, {}, {2, 1}})))
                .isEqualTo("""
                #.....
                ###...
                ###...
                ...##.
                ...##.
                ...###""");
    }

    @Test
    void rangesOneByOneAreCopied() {
        int[] from = {0, 2};
        int[] to = {1, 2};
        KeyRanges ranges = KeyRanges.of(from, to, 3);
        from[0] = 5;
        to[0] = 9;

        assertThat(picture(ranges)).isEqualTo("""
                #..
                ...""");
    }

    @Test
    void refusesWhatIsNoRange() {
        assertThatThrownBy(() -> KeyRanges.of(new int[] {0}, new int[] {1, 2}, 3))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("key ranges: 1 starts but 2 ends");
        assertThatThrownBy(() -> KeyRanges.of(new int[] {0, 2}, new int[] {3, 4}, 3))
                .hasMessage("key ranges: query 1 sees [2, 4), which does not lie within 3 keys");
        assertThatThrownBy(() -> KeyRanges.of(new int[] {-1}, new int[] {1}, 3))
                .hasMessage("key ranges: query 0 sees [-1, 1), which does not lie within 3 keys");
        assertThatThrownBy(() -> KeyRanges.of(new int[] {2}, new int[] {1}, 3))
                .hasMessage("key ranges: query 0 sees [2, 1), which does not lie within 3 keys");
        assertThatThrownBy(() -> KeyRanges.packed(new int[] {1}, new int[] {1, 2}))
                .hasMessage("key ranges: 1 query lengths but 2 key lengths");
        assertThatThrownBy(() -> KeyRanges.causal(4, 3)).hasMessage("key ranges: 4 causal queries but only 3 keys");
    }

    /// A line for each query, a column for each key, `#` where it is seen.
    private static String picture(KeyRanges ranges) {
        return IntStream.range(0, ranges.queries())
                .mapToObj(q -> IntStream.range(0, ranges.keys())
                        .mapToObj(k -> ranges.from(q) <= k && k < ranges.to(q) ? "#" : ".")
                        .collect(Collectors.joining()))
                .collect(Collectors.joining("\n"));
    }
}
