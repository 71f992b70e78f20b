package dev.palimpsest.kernels.x86;

import java.util.ArrayList;
import java.util.List;

/// How a matrix product is cut into tasks in two dimensions: a task is a group of neighbouring tiles of rows, times
/// some neighbouring panels of columns.
///
/// Groups are as large as the caches like them, whatever the number of threads: how many rows a tile has, which follows
/// from them, may decide in which order a sum is added up. For more threads there are fewer panels in a task, and
/// towards the end tasks become smaller and smaller, down to one panel, so that the threads come to an end at about the
/// same time (Polychronopoulos & Kuck 1987, "Guided self-scheduling").
///
/// @param tiles tiles of rows
/// @param groups groups of tiles
/// @param pieces the tasks in the order in which they should begin
record TaskGrid(int tiles, int groups, List<Piece> pieces) {
    /// Tiles of a group at most.
    static final int GROUP_TILES = 7;

    /// Parts of all panels for each thread, so that threads which start late or run slowly do not hold up the others.
    private static final int TASKS = 6;

    /// A task has at most what is left over this and the number of threads.
    private static final int END = 3;

    /// Panels to which tasks are cut down in the end: their rows come to the caches for these alone.
    private static final int FEWEST_PANELS = 4;

    /// Smallest tasks for each thread that there should be.
    private static final long SMALLEST = 8;

    /// A task.
    ///
    /// @param group group of tiles
    /// @param from first panel
    /// @param to panel behind the last one
    record Piece(int group, int from, int to) {}

    /// Cuts a product.
    ///
    /// @param tiles tiles of rows, at least 1
    /// @param panels panels of columns, at least 1
    /// @param most panels of a task at most
    /// @param threads that will share the tasks
    static TaskGrid of(int tiles, int panels, int most, int threads) {
        int groups = Math.ceilDiv(tiles, GROUP_TILES);
        int wanted = threads == 1 ? 1 : Math.ceilDiv(TASKS * threads, groups);
        int parts = Math.clamp(Math.max(wanted, Math.ceilDiv(panels, most)), 1, panels);
        long left = (long) groups * panels;
        int fewest = Math.clamp(left / (SMALLEST * threads), 1, FEWEST_PANELS);
        List<Piece> pieces = new ArrayList<>();
        for (int part = 0; part < parts; part++) {
            int from = (int) ((long) panels * part / parts);
            int length = (int) ((long) panels * (part + 1) / parts) - from;
            for (int group = 0; group < groups; group++) {
                long atOnce = threads == 1 ? length : Math.max(left / END / threads, fewest);
                int cuts = (int) Math.ceilDiv(length, atOnce);
                for (int i = 0; i < cuts; i++) {
                    pieces.add(new Piece(group, from + length * i / cuts, from + length * (i + 1) / cuts));
                }
                left -= length;
            }
        }
        return new TaskGrid(tiles, groups, pieces);
    }

    /// The first tile of a group; for the number of groups, that of tiles.
    int firstTile(int group) {
        return (int) ((long) tiles * group / groups);
    }
}
