package dev.palimpsest.kernels.x86;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.PriorityQueue;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TaskGridTest {
    private static final int MOST = 16;

    /// Rows and columns of products of both systems: feed-forward and attention of VINCIE, Qwen and Infinity, the
    /// latter's modulation, and its attention at a small scale.
    private static final int[][] PRODUCTS = {
        {800, 6912},
        {512, 2560},
        {150, 13824},
        {150, 5120},
        {1024, 2048},
        {4096, 8192},
        {2521, 2048},
        {1, 12288},
        {16, 2048}
    };

    private static final int TILE_ROWS = 14;

    private static TaskGrid grid(int[] product, int threads) {
        int panels = Math.ceilDiv(product[1], TileGenerator.COLUMNS);
        return TaskGrid.of(Math.ceilDiv(product[0], TILE_ROWS), panels, MOST, threads);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4, 8, 16, 64})
    void eachTileMeetsEachPanelOnce(int threads) {
        for (int[] product : PRODUCTS) {
            TaskGrid grid = grid(product, threads);
            int panels = Math.ceilDiv(product[1], TileGenerator.COLUMNS);
            int[][] met = new int[grid.groups()][panels];
            for (TaskGrid.Piece p : grid.pieces()) {
                assertThat(p.to() - p.from()).isBetween(1, MOST);
                for (int panel = p.from(); panel < p.to(); panel++) {
                    met[p.group()][panel]++;
                }
            }
            assertThat(met).isDeepEqualTo(all(grid.groups(), panels));
            assertThat(grid.firstTile(0)).isZero();
            assertThat(grid.firstTile(grid.groups())).isEqualTo(grid.tiles());
            for (int g = 0; g < grid.groups(); g++) {
                assertThat(grid.firstTile(g + 1) - grid.firstTile(g)).isBetween(1, TaskGrid.GROUP_TILES);
            }
        }
    }

    private static int[][] all(int groups, int panels) {
        int[][] ones = new int[groups][panels];
        for (int[] row : ones) {
            Arrays.fill(row, 1);
        }
        return ones;
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 3, 4, 8, 16, 32, 64})
    void threadsEndAtAboutTheSameTime(int threads) {
        for (int[] product : PRODUCTS) {
            TaskGrid grid = grid(product, threads);
            int panels = Math.ceilDiv(product[1], TileGenerator.COLUMNS);
            long smallest = (long) grid.groups() * panels;
            double end = end(grid, threads);
            if (smallest >= 12L * threads) {
                assertThat(end * threads / ((double) grid.tiles() * panels))
                        .as("%s x %s on %s threads", product[0], product[1], threads)
                        .isLessThanOrEqualTo(1.1);
            } else {
                // nothing is smaller than a group times one panel
                assertThat(end)
                        .as("%s x %s on %s threads", product[0], product[1], threads)
                        .isLessThanOrEqualTo((double) Math.ceilDiv(smallest, threads) * largestGroup(grid));
            }
        }
    }

    private static int largestGroup(TaskGrid grid) {
        return IntStream.range(0, grid.groups())
                .map(g -> grid.firstTile(g + 1) - grid.firstTile(g))
                .max()
                .orElseThrow();
    }

    /// When the last of equally fast threads ends that take one task after another, in tiles of one panel.
    private static double end(TaskGrid grid, int threads) {
        PriorityQueue<Long> free = new PriorityQueue<>();
        for (int i = 0; i < threads; i++) {
            free.add(0L);
        }
        long end = 0;
        for (TaskGrid.Piece p : grid.pieces()) {
            int tiles = grid.firstTile(p.group() + 1) - grid.firstTile(p.group());
            long done = free.remove() + (long) tiles * (p.to() - p.from());
            end = Math.max(end, done);
            free.add(done);
        }
        return end;
    }

    @Test
    void oneThreadKeepsGroupsWhole() {
        TaskGrid grid = TaskGrid.of(14, 40, 40, 1);
        assertThat(grid.pieces()).containsExactly(new TaskGrid.Piece(0, 0, 40), new TaskGrid.Piece(1, 0, 40));
    }
}
