package dev.palimpsest.kernels.x86;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import dev.palimpsest.kernels.BFloat16;
import dev.palimpsest.kernels.x86.AttentionGenerator.Piece;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.function.LongToIntFunction;

/// Runs the programs of attention on numbers whose results are known: products and sums of small whole numbers, which
/// are exact, and scores that are the largest of their row, one less, or negative infinity, whose weights are 1, 1/e
/// and 0.
final class AttentionSelfTest {
    private static final int ROWS = AttentionGenerator.ROWS;
    private static final int VECTORS = AttentionGenerator.VECTORS;
    private static final int LANES = 16;
    private static final int COLUMNS = VECTORS * LANES;
    private static final int TILES = 2;

    /// Chunks of scores that become weights, and chunks of weights.
    private static final int CHUNKS = 2;

    private static final float SUM_BEFORE = 3;

    private final MicroKernels kernels;
    private final boolean pairs;
    private final int perUnit;
    private final Arena arena;

    /// @param pairs whether the programs for pairs of bf16 are tested, not those for f32
    AttentionSelfTest(MicroKernels kernels, boolean pairs, Arena arena) {
        this.kernels = kernels;
        this.pairs = pairs;
        this.arena = arena;
        perUnit = pairs ? 2 : 1;
    }

    /// Whether all three programs work.
    boolean passes() {
        return scores() && weights() && sums();
    }

    /// The left element of a row and place, from 0 to 4.
    private static int left(long row, long k) {
        return (int) ((row * 3 + k) % 5);
    }

    /// The right element of a column and place, from -3 to 3.
    private static int right(long k, long column) {
        return (int) ((k * 5 + column * 3) % 7) - 3;
    }

    private static int product(int row, int column, int k) {
        int sum = 0;
        for (int i = 0; i < k; i++) {
            sum += left(row, i) * right(i, column);
        }
        return sum;
    }

    /// Memory of f32 or bf16.
    private MemorySegment elements(long count, LongToIntFunction value) {
        int bytes = 4 / perUnit;
        MemorySegment m = arena.allocate(bytes * count, 64);
        for (long i = 0; i < count; i++) {
            if (pairs) {
                m.setAtIndex(JAVA_SHORT, i, BFloat16.fromFloat(value.applyAsInt(i)));
            } else {
                m.setAtIndex(JAVA_FLOAT, i, value.applyAsInt(i));
            }
        }
        return m;
    }

    /// A panel of so many units.
    private MemorySegment panel(int units) {
        return elements((long) units * COLUMNS * perUnit, i -> {
            long unit = i / perUnit;
            return right(unit / COLUMNS * perUnit + i % perUnit, unit % COLUMNS);
        });
    }

    private Arguments arguments(MemorySegment from, long fromBytes, MemorySegment to, long toBytes) {
        return new Arguments(arena.allocate(128, 8))
                .set(AttentionGenerator.LEFT, from.address())
                .set(AttentionGenerator.LEFT_STRIDE, fromBytes)
                .set(AttentionGenerator.TO, to.address())
                .set(AttentionGenerator.TO_STRIDE, toBytes)
                .set(AttentionGenerator.TILES, TILES);
    }

    private boolean scores() {
        int units = LANES + 1;
        int rowElements = AttentionGenerator.queryStride(units) / 4 * perUnit;
        MemorySegment queries =
                elements((long) TILES * ROWS * rowElements, i -> left(i / rowElements, i % rowElements));
        long bytes = (long) VECTORS * AttentionGenerator.CHUNK;
        MemorySegment scores = arena.allocate(TILES * bytes, 64);
        arguments(queries, 4L * ROWS * rowElements / perUnit, scores, bytes)
                .set(AttentionGenerator.PANEL, panel(units).address())
                .set(AttentionGenerator.FACTOR_OR_CHUNKS, Float.floatToRawIntBits(0.5f))
                .run(kernels.attention(new Piece.Scores(pairs, units, VECTORS)));
        for (int row = 0; row < TILES * ROWS; row++) {
            for (int key = 0; key < COLUMNS; key++) {
                long at = row / ROWS * bytes + place(row, key);
                if (scores.get(JAVA_FLOAT, at) != 0.5f * product(row, key, units * perUnit)) {
                    return false;
                }
            }
        }
        return true;
    }

    /// Where a score lies in its tile.
    private static long place(int row, int key) {
        return (long) key / LANES * AttentionGenerator.CHUNK + row % ROWS * 64L + key % LANES * 4L;
    }

    private boolean weights() {
        long bytes = (long) CHUNKS * AttentionGenerator.CHUNK;
        MemorySegment scores = arena.allocate(TILES * bytes, 64);
        MemorySegment states = arena.allocate((long) TILES * AttentionGenerator.STATE, 64);
        for (int row = 0; row < TILES * ROWS; row++) {
            for (int key = 0; key < CHUNKS * LANES; key++) {
                scores.set(JAVA_FLOAT, row / ROWS * bytes + place(row, key), row + (float) Math.log(weight(key)));
            }
            // the first tile has seen nothing, the second one the largest score
            boolean seen = row >= ROWS;
            float max = seen ? row : Float.NEGATIVE_INFINITY;
            states.set(JAVA_FLOAT, state(row) + AttentionGenerator.MAX + row % ROWS * 4L, max);
            for (int lane = 0; lane < LANES && seen; lane++) {
                states.set(JAVA_FLOAT, sumAt(row, lane), SUM_BEFORE);
            }
        }
        MemorySegment weights = arena.allocate(TILES * bytes, 64);
        arguments(scores, bytes, weights, bytes)
                .set(AttentionGenerator.FACTOR_OR_CHUNKS, CHUNKS)
                .set(AttentionGenerator.STATES, states.address())
                .run(kernels.attention(new Piece.Weights(pairs)));
        for (int row = 0; row < TILES * ROWS; row++) {
            float[] sums = new float[LANES];
            for (int key = 0; key < CHUNKS * LANES; key++) {
                float found = pairs
                        ? BFloat16.toFloat(weights.get(JAVA_SHORT, row / ROWS * bytes + row % ROWS * 64L + key * 2L))
                        : weights.get(JAVA_FLOAT, row / ROWS * bytes + place(row, key));
                if (!isNear(found, weight(key), pairs ? 0x1p-8f : 0x1p-21f)) {
                    return false;
                }
                sums[key % LANES] += weight(key);
            }
            boolean seen = row >= ROWS;
            if (states.get(JAVA_FLOAT, state(row) + AttentionGenerator.MAX + row % ROWS * 4L) != row
                    || states.get(JAVA_FLOAT, state(row) + AttentionGenerator.FACTOR + row % ROWS * 4L)
                            != (seen ? 1 : 0)) {
                return false;
            }
            for (int lane = 0; lane < LANES; lane++) {
                float expected = sums[lane] + (seen ? SUM_BEFORE : 0);
                if (!isNear(states.get(JAVA_FLOAT, sumAt(row, lane)), expected, 0x1p-21f)) {
                    return false;
                }
            }
        }
        return true;
    }

    private static float weight(int key) {
        return switch (key % 3) {
            case 0 -> 1;
            case 1 -> 0;
            default -> (float) Math.exp(-1);
        };
    }

    /// Exact where the number is whole.
    private static boolean isNear(float found, float expected, float relative) {
        return found == expected
                || (expected != Math.rint(expected) && Math.abs(found - expected) <= relative * expected);
    }

    private static long state(int row) {
        return (long) row / ROWS * AttentionGenerator.STATE;
    }

    private static long sumAt(int row, int lane) {
        return state(row) + AttentionGenerator.SUMS + row % ROWS * 64L + lane * 4L;
    }

    private boolean sums() {
        int keys = CHUNKS * LANES * perUnit;
        long bytes = (long) CHUNKS * AttentionGenerator.CHUNK;
        int rowElements = LANES * perUnit;
        MemorySegment weights = elements(TILES * bytes / 4 * perUnit, i -> {
            long line = i / rowElements; // a row of a chunk
            long row = line / (CHUNKS * ROWS) * ROWS + line % ROWS;
            return left(row, line / ROWS % CHUNKS * rowElements + i % rowElements);
        });
        MemorySegment states = arena.allocate((long) TILES * AttentionGenerator.STATE, 64);
        MemorySegment sums = arena.allocate(4L * TILES * ROWS * COLUMNS, 64);
        for (int row = 0; row < TILES * ROWS; row++) {
            states.set(JAVA_FLOAT, state(row) + AttentionGenerator.FACTOR + row % ROWS * 4L, 0.5f);
            for (int column = 0; column < COLUMNS; column++) {
                sums.setAtIndex(JAVA_FLOAT, (long) row * COLUMNS + column, 2 * (row + column));
            }
        }
        arguments(weights, bytes, sums, 4L * ROWS * COLUMNS)
                .set(AttentionGenerator.PANEL, panel(CHUNKS * LANES).address())
                .set(AttentionGenerator.FACTOR_OR_CHUNKS, CHUNKS)
                .set(AttentionGenerator.STATES, states.address())
                .run(kernels.attention(new Piece.Sums(pairs, VECTORS)));
        for (int row = 0; row < TILES * ROWS; row++) {
            for (int column = 0; column < COLUMNS; column++) {
                float expected = row + column + product(row, column, keys);
                if (sums.getAtIndex(JAVA_FLOAT, (long) row * COLUMNS + column) != expected) {
                    return false;
                }
            }
        }
        return true;
    }
}
