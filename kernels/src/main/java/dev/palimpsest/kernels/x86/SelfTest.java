package dev.palimpsest.kernels.x86;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import dev.palimpsest.kernels.Activation;
import dev.palimpsest.kernels.BFloat16;
import dev.palimpsest.kernels.x86.FinishGenerator.Along;
import dev.palimpsest.kernels.x86.FinishGenerator.Finish;
import dev.palimpsest.kernels.x86.FinishGenerator.Sums;
import dev.palimpsest.kernels.x86.TileGenerator.Kind;
import dev.palimpsest.kernels.x86.TileGenerator.Tile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/// Runs a micro-kernel of every type on small whole numbers, whose products and sums are exact in all of them, and
/// compares every bit of every sum with plain Java. That takes a few milliseconds and decides whether machine code is
/// used at all.
final class SelfTest {
    private static final int UNITS = 7;
    private static final int TILES = 2;

    private final MicroKernels kernels;

    SelfTest(MicroKernels kernels) {
        this.kernels = kernels;
    }

    /// What is wrong, or null.
    @Nullable
    String firstFailure() {
        try (Arena arena = Arena.ofConfined()) {
            for (TileType type : TileType.values()) {
                if (kernels.supports(type) && !isExact(type, type.rows(), 2, arena)) {
                    return "a tile of " + type + " has wrong sums";
                }
            }
            if (!finishes(arena)) {
                return "an epilogue is wrong";
            }
            if (!new AttentionSelfTest(kernels, false, arena).passes()) {
                return "attention in F32 is wrong";
            }
            if (kernels.supports(TileType.BF16) && !new AttentionSelfTest(kernels, true, arena).passes()) {
                return "attention in BF16 is wrong";
            }
            return null;
        }
    }

    /// The weight of a column and place, from -3 to 3.
    private static int weight(int k, int column) {
        return (k * 5 + column * 3) % 7 - 3;
    }

    /// The activation of a row and place, from 0 to 4.
    private static int activation(int row, int k) {
        return (row * 3 + k) % 5;
    }

    /// Whether all sums of some tiles are right, to the bit.
    boolean isExact(TileType type, int rows, int vectors, Arena arena) {
        int columns = vectors * TileGenerator.LANES;
        int k = UNITS * type.weights();
        long stride = (long) k * type.activationBytes();
        MemorySegment panel = arena.allocate(64L * UNITS * vectors, 64);
        for (int i = 0; i < k; i++) {
            for (int j = 0; j < columns; j++) {
                int weights = type.weights();
                int at = (i / weights * columns + j) * weights + i % weights;
                setWeight(panel, type, at, weight(i, j));
            }
        }
        MemorySegment left = arena.allocate(stride * TILES * rows, 64);
        for (int r = 0; r < TILES * rows; r++) {
            for (int i = 0; i < k; i++) {
                setActivation(left, type, (long) r * k + i, activation(r, i));
            }
        }
        MemorySegment sums = arena.allocate(64L * TILES * rows * vectors, 64);
        new Arguments(arena.allocate(128, 8))
                .set(TileGenerator.ROWS, left.address())
                .set(TileGenerator.ROW_STRIDE, stride)
                .set(TileGenerator.PANEL, panel.address())
                .set(TileGenerator.UNITS, UNITS)
                .set(TileGenerator.SUMS, sums.address())
                .set(TileGenerator.TILES, TILES)
                .run(kernels.tile(new Tile(type, rows, vectors, false, 0, Kind.ROWS)));
        for (int r = 0; r < TILES * rows; r++) {
            for (int j = 0; j < columns; j++) {
                int expected = 0;
                for (int i = 0; i < k; i++) {
                    expected += activation(r, i) * weight(i, j);
                }
                int bits = sums.getAtIndex(JAVA_INT, (long) r * columns + j);
                // the sign of a zero sum is that of the last product
                boolean right = type == TileType.U8_I8 ? bits == expected : Float.intBitsToFloat(bits) == expected;
                if (!right) {
                    return false;
                }
            }
        }
        return true;
    }

    private static void setWeight(MemorySegment to, TileType type, long at, int value) {
        switch (type) {
            case F32 -> to.setAtIndex(JAVA_FLOAT, at, value);
            case F32_BF16, BF16 -> to.setAtIndex(JAVA_SHORT, at, BFloat16.fromFloat(value));
            case F32_F16 -> to.setAtIndex(JAVA_SHORT, at, Float.floatToFloat16(value));
            case F32_I8, U8_I8 -> to.set(JAVA_BYTE, at, (byte) value);
        }
    }

    private static void setActivation(MemorySegment to, TileType type, long at, int value) {
        switch (type.activations()) {
            case 1 -> to.setAtIndex(JAVA_FLOAT, at, value);
            case 2 -> to.setAtIndex(JAVA_SHORT, at, BFloat16.fromFloat(value));
            default -> to.set(JAVA_BYTE, at, (byte) value);
        }
    }

    /// Whether bias, gate and residual of an edge arrive where they should, and nothing is written beside it.
    private boolean finishes(Arena arena) {
        int columns = 19;
        MemorySegment sums = arena.allocate(2 * 128, 64);
        MemorySegment operand = arena.allocate(2 * 128, 64);
        MemorySegment out = arena.allocate(2 * 128, 64);
        for (int i = 0; i < 2 * 32; i++) {
            sums.setAtIndex(JAVA_FLOAT, i, i);
            operand.setAtIndex(JAVA_FLOAT, i, i % 5);
            out.setAtIndex(JAVA_FLOAT, i, -1);
        }
        new Arguments(arena.allocate(128, 8))
                .set(FinishGenerator.SUMS, sums.address())
                .set(FinishGenerator.OUT, out.address())
                .set(FinishGenerator.OUT_STRIDE, 128)
                .set(FinishGenerator.ROWS, 2)
                .set(FinishGenerator.MASK, 0b111)
                .set(FinishGenerator.BIAS, operand.address())
                .set(FinishGenerator.GATE, operand.address())
                .set(FinishGenerator.GATE_STRIDE, 0)
                .set(FinishGenerator.RESIDUAL, operand.address())
                .set(FinishGenerator.RESIDUAL_STRIDE, 128)
                .run(kernels.finish(new Finish(Sums.F32, 2, true, Activation.NONE, Along.COLUMNS, Along.COLUMNS)));
        for (int i = 0; i < 2 * 32; i++) {
            int j = i % 32;
            float expected = j < columns ? (i + j % 5) * (j % 5) + i % 5 : -1;
            if (out.getAtIndex(JAVA_FLOAT, i) != expected) {
                return false;
            }
        }
        return true;
    }
}
