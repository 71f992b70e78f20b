package dev.palimpsest.kernels.vector;

import static org.assertj.core.api.Assertions.assertThat;

import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.Attention;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.KeyRanges;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Parallel;
import dev.palimpsest.kernels.scalar.ScalarKernels;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Attention against its definition, over head widths, visible ranges, layouts and the edges of blocks, groups and
/// tiles.
class VectorAttentionTest {
    private static final DType[] TYPES = {DType.F32, DType.BF16, DType.F16};
    private static final int[] TOKENS_FIRST = {0, 1, 2};
    private static final int[] HEADS_FIRST = {1, 0, 2};
    private static final int[] SCATTERED = {2, 1, 0};
    private static final int[][] LAYOUTS = {TOKENS_FIRST, HEADS_FIRST, SCATTERED};

    private final Kernels reference = new ScalarKernels();
    private final Arena arena = Arena.ofShared();
    private final Operands operands = new Operands(arena, 41);

    @AfterEach
    void release() {
        arena.close();
    }

    static IntStream widths() {
        return Operands.widths();
    }

    private record Case(KeyRanges visible, int heads, int depth, int valueDepth) {}

    private static KeyRanges window(int queries, int keys, int before, int after) {
        int[] from = IntStream.range(0, queries)
                .map(i -> Math.clamp(i - before, 0, keys))
                .toArray();
        int[] to = IntStream.range(0, queries)
                .map(i -> Math.clamp(i + after, from[i], keys))
                .toArray();
        return KeyRanges.of(from, to, keys);
    }

    private static final List<Case> CASES = List.of(
            new Case(KeyRanges.full(1, 1), 1, 8, 8),
            new Case(KeyRanges.full(5, 3), 2, 64, 64),
            new Case(KeyRanges.full(7, 0), 2, 16, 16),
            new Case(KeyRanges.full(50, 130), 3, 80, 80),
            new Case(KeyRanges.full(13, 700), 1, 128, 128),
            new Case(KeyRanges.full(20, 300), 1, 512, 512),
            new Case(KeyRanges.full(9, 65), 2, 33, 71),
            new Case(KeyRanges.causal(70, 70), 2, 24, 40),
            new Case(KeyRanges.causal(3, 200), 1, 64, 64),
            new Case(KeyRanges.packed(new int[] {5, 1, 40, 0, 17}, new int[] {7, 64, 3, 20, 100}), 2, 32, 32),
            new Case(KeyRanges.blockCausal(new int[][] {{4, 9, 30}, {1}, {64, 65}}), 2, 16, 16),
            new Case(window(90, 120, 10, 15), 1, 20, 12),
            new Case(window(40, 60, -30, 31), 2, 12, 20));

    private static double tolerance(int keys, int depth) {
        // scores of normal numbers scaled to variance 1 are off by about 2^-24 of their terms, and so are weights and
        // sums
        return 2e-6 * Math.sqrt(depth) / 4 + 1e-6 + 1e-8 * keys;
    }

    @ParameterizedTest
    @MethodSource("widths")
    void everyRangeAndWidthGivesWhatTheDefinitionGives(int bits) {
        try (Parallel parallel = new Parallel(2)) {
            Kernels kernels = new VectorKernels(parallel, bits);
            for (int i = 0; i < CASES.size(); i++) {
                for (int variant = 0; variant < 6; variant++) {
                    check(kernels, CASES.get(i), 3 * i + variant);
                }
            }
        }
    }

    private void check(Kernels kernels, Case c, int variant) {
        int queries = c.visible.queries();
        int keys = c.visible.keys();
        NdArray q = operands.strided(TYPES[variant % 3], variant % 2, LAYOUTS[variant % 3], queries, c.heads, c.depth);
        NdArray k =
                operands.strided(TYPES[variant / 2 % 3], variant % 3, LAYOUTS[variant / 2 % 3], keys, c.heads, c.depth);
        NdArray v = operands.strided(TYPES[variant / 3 % 3], 1, LAYOUTS[variant / 4 % 3], keys, c.heads, c.valueDepth);
        NdArray bias = switch (variant % 4) {
            case 1 -> operands.dense(c.heads, queries, keys);
            case 2 -> operands.dense(queries, 1);
            case 3 -> operands.dense(c.heads, 1, keys);
            default -> null;
        };
        float scale = (float) (1 / Math.sqrt(c.depth));
        boolean extras = variant % 2 == 1;
        Arithmetic arithmetic = variant % 6 < 4 ? Arithmetic.F32 : Arithmetic.BF16;
        NdArray[] out = new NdArray[6];
        for (int i = 0; i < 2; i++) {
            int[] order = i == 0 ? TOKENS_FIRST : LAYOUTS[variant / 2 % 3];
            out[3 * i] = operands.poisoned(0, order, queries, c.heads, c.valueDepth);
            out[3 * i + 1] = operands.poisoned(0, order, c.heads, queries, keys);
            out[3 * i + 2] = operands.poisoned(queries, c.heads);
            Attention op = new Attention(
                    scale, c.visible, bias, extras ? out[3 * i + 1] : null, extras ? out[3 * i + 2] : null, arithmetic);
            (i == 0 ? reference : kernels).attention(op, q, k, v, out[3 * i]);
        }
        String what = "q " + q + ", k " + k + ", v " + v + ", variant " + variant;
        double tolerance = tolerance(keys, c.depth);
        // weights may be rounded relative to different scores
        double roundings = arithmetic == Arithmetic.F32 ? 0 : Math.scalb(2.0, -9);
        Operands.assertClose(out[3], out[0], 3 * tolerance + roundings, what);
        assertThat(Operands.written(out[3])).as("elements written").isEqualTo(out[3].elements());
        if (extras) {
            Operands.assertClose(out[4], out[1], tolerance, "probabilities, " + what);
            for (int i = 0; i < queries; i++) {
                for (int h = 0; h < c.heads; h++) {
                    double expected = out[2].get(i, h);
                    if (Double.isInfinite(expected)) {
                        assertThat(out[5].get(i, h)).isEqualTo(expected);
                    } else {
                        assertThat(out[5].get(i, h))
                                .isCloseTo(expected, org.assertj.core.data.Offset.offset(tolerance * 4));
                    }
                }
            }
        }
    }

    @Test
    void hiddenKeysDoNotTouchAResultWhateverTheyHold() {
        try (Parallel parallel = new Parallel(1)) {
            KeyRanges visible = KeyRanges.causal(30, 30);
            NdArray q = operands.dense(30, 1, 16);
            NdArray k = operands.dense(30, 1, 16);
            NdArray v = operands.dense(30, 1, 16);
            k.set(Double.NaN, 20, 0, 3);
            v.set(Double.POSITIVE_INFINITY, 21, 0, 5);
            NdArray out = operands.poisoned(30, 1, 16);
            new VectorKernels(parallel).attention(Attention.of(0.25f, visible), q, k, v, out);
            for (int i = 0; i < 20; i++) {
                for (int c = 0; c < 16; c++) {
                    assertThat(out.get(i, 0, c)).isFinite();
                }
            }
        }
    }

    @Test
    void aBiasOfNegativeInfinityHidesKeysAndQueriesWithNothingToSeeAreZero() {
        try (Parallel parallel = new Parallel(2)) {
            int keys = 900;
            NdArray q = operands.dense(8, 1, 128);
            NdArray k = operands.dense(keys, 1, 128);
            NdArray v = operands.dense(keys, 1, 128);
            NdArray bias = operands.dense(1, 8, keys);
            for (int key = 0; key < keys; key++) {
                bias.set(Double.NEGATIVE_INFINITY, 0, 3, key);
                if (key < 700) {
                    bias.set(Double.NEGATIVE_INFINITY, 0, 5, key);
                }
                if (key > 200) {
                    bias.set(Double.NEGATIVE_INFINITY, 0, 6, key);
                }
            }
            NdArray expected = operands.poisoned(8, 1, 128);
            NdArray actual = operands.poisoned(8, 1, 128);
            NdArray lse = operands.poisoned(8, 1);
            Attention op = new Attention(0.1f, KeyRanges.full(8, keys), bias, null, lse);
            reference.attention(op, q, k, v, expected);
            new VectorKernels(parallel).attention(op, q, k, v, actual);
            Operands.assertClose(actual, expected, 3 * tolerance(keys, 128), "bias of negative infinity");
            assertThat(lse.get(3, 0)).isEqualTo(Double.NEGATIVE_INFINITY);
            assertThat(actual.get(3, 0, 7)).isZero();
        }
    }

    @Test
    void scoresFarApartNeitherOverflowNorLoseTheLargest() {
        try (Parallel parallel = new Parallel(1)) {
            NdArray q = operands.dense(3, 1, 8);
            NdArray k = operands.dense(1300, 1, 8);
            NdArray v = operands.dense(1300, 1, 8);
            NdArray bias = operands.dense(1300);
            for (int key = 0; key < 1300; key++) {
                bias.set(key % 130 * 100 - 5000, key);
            }
            NdArray expected = operands.poisoned(3, 1, 8);
            NdArray actual = operands.poisoned(3, 1, 8);
            Attention op = new Attention(0.3f, KeyRanges.full(3, 1300), bias, null, null);
            reference.attention(op, q, k, v, expected);
            new VectorKernels(parallel).attention(op, q, k, v, actual);
            // a score of 7900 is only known to 2^-11, and so is the logarithm of its weight
            Operands.assertClose(actual, expected, 4e-3, "scores far apart");
        }
    }

    @Test
    void longSequencesArePackedByTheTasksWithinBoundedMemory() {
        try (Parallel parallel = new Parallel(2)) {
            VectorKernels kernels = new VectorKernels(parallel);
            int keys = 5000;
            NdArray q = operands.dense(9, 1, 512);
            NdArray k = operands.dense(DType.BF16, keys, 1, 512);
            NdArray v = operands.dense(DType.BF16, keys, 1, 512);
            NdArray expected = operands.poisoned(9, 1, 512);
            NdArray actual = operands.poisoned(9, 1, 512);
            Attention op = Attention.of(0.04f, KeyRanges.full(9, keys));
            reference.attention(op, q, k, v, expected);
            kernels.attention(op, q, k, v, actual);
            Operands.assertClose(actual, expected, 3 * tolerance(keys, 512), "long");
            assertThat(kernels.workspaceBytes()).isLessThan(4L << 20);
        }
    }

    @Test
    void theNumberOfThreadsDoesNotChangeABit() {
        for (int i : new int[] {3, 6, 7, 10}) {
            Case c = CASES.get(i);
            NdArray q = operands.dense(c.visible.queries(), c.heads, c.depth);
            NdArray k = operands.dense(c.visible.keys(), c.heads, c.depth);
            NdArray v = operands.dense(c.visible.keys(), c.heads, c.valueDepth);
            byte[] expected = null;
            for (int threads : new int[] {1, 2, 3}) {
                try (Parallel parallel = new Parallel(threads)) {
                    NdArray out = operands.poisoned(c.visible.queries(), c.heads, c.valueDepth);
                    new VectorKernels(parallel).attention(Attention.of(0.2f, c.visible), q, k, v, out);
                    byte[] bits = Operands.bits(out);
                    assertThat(expected == null || Arrays.equals(bits, expected))
                            .as("%d threads, case %d", threads, i)
                            .isTrue();
                    expected = bits;
                }
            }
        }
    }
}
