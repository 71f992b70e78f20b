package dev.palimpsest.kernels.vector;

import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.Epilogue;
import dev.palimpsest.kernels.NdArray;
import java.lang.foreign.MemorySegment;

/// The micro-kernels that a convolution runs on, see [ImplicitGemm].
///
/// They multiply in units of 32 bits: a row of a panel has one unit for each of its columns, and patches are read in
/// units. A unit is a float, or two neighbouring channels in bf16.
public interface PatchTiles {
    /// Name of the provider, for messages.
    String name();

    /// Elements of a unit: 1 (f32), or 2 (bf16). [Arithmetic#BF16] in units of 1 means floats that were rounded.
    int elements(Arithmetic arithmetic);

    /// Columns of a full panel.
    int columns();

    /// Columns that a panel takes which holds so many.
    int widthFor(int columns);

    /// Rows of the largest tile.
    int rows();

    /// The length in elements from which on stretches are worth being multiplied by themselves; shorter ones are
    /// joined,
    /// see [PatchLayout].
    int shortest(Arithmetic arithmetic);

    /// How many neighbouring stretches of a patch are best multiplied in one call, at least 1.
    ///
    /// @param units length of a stretch
    int stretchesAtOnce(int units);

    /// Rounds `n` floats at byte `at` to bf16 behind each other, the elements of units of 2.
    ///
    /// @param workspace the task's own
    default void narrow(MemorySegment from, long at, MemorySegment to, long toAt, int n, Workspace workspace) {
        FilterPacking.narrow(from, at, to, toAt, n);
    }

    /// What the tiles of one convolution are written to.
    ///
    /// @param rows the output, `(..., O)`
    /// @param epilogue with a gate and a residual of the output's shape and order of axes
    Target target(Arithmetic arithmetic, NdArray rows, Epilogue epilogue);

    /// The output of one convolution.
    interface Target {
        /// Sums for some lines of neighbouring rows, all of one length, that one task computes together.
        ///
        /// @param workspace the task's own; not closed before the last use
        Lines lines(int lines, int length, Workspace workspace);
    }

    /// Sums on their way to the output.
    interface Lines {
        /// Says where a line goes: its first row in the output.
        void place(int line, long row);

        /// Says that a number of calls of [#add] follow during which what is needed behind them can be brought into the
        /// caches. What that is, the other methods of this name say; all that was said before is forgotten.
        default void expect(int calls) {}

        /// Says that some memory will be read.
        ///
        /// @param at byte at which it begins
        default void expect(MemorySegment memory, long at, long bytes) {}

        /// Says that a line will be written.
        ///
        /// @param row its first row in the output
        default void expect(long row) {}

        /// Adds some stretches of the patches of a line times the same stretches of a panel.
        ///
        /// @param line which
        /// @param a memory of the patches
        /// @param aAt for each stretch the byte at which that of the first patch begins, that of the next one
        ///     `aStride` further
        /// @param count how many stretches
        /// @param panels memory of the panel
        /// @param panelAt byte at which the stretches begin in the panel, behind each other
        /// @param width columns of the panel
        /// @param units length of a stretch
        /// @param first whether sums begin with zero
        /// @param last whether they are then complete and go to the output
        /// @param column column of the output with which the panel begins
        /// @param columns how many of the panel's columns exist
        void add(
                int line,
                MemorySegment a,
                long[] aAt,
                int count,
                long aStride,
                MemorySegment panels,
                long panelAt,
                int width,
                int units,
                boolean first,
                boolean last,
                int column,
                int columns);
    }
}
