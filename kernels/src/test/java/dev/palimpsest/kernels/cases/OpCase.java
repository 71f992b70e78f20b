package dev.palimpsest.kernels.cases;

import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.NdArray;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.SplittableRandom;

/// One call of one op with everything it needs.
///
/// @param op the method of [Kernels]
/// @param name what is special about the case
/// @param inputs arrays that the op reads
/// @param outputs arrays that it writes; those filled with something else than [Values#POISON] are read as well (in
///     place)
/// @param call makes the call
/// @param tolerance how far a provider may be from the reference
public record OpCase(
        String op, String name, List<Operand> inputs, List<Operand> outputs, Call call, Tolerance tolerance) {

    /// Calls the op.
    @FunctionalInterface
    public interface Call {
        /// Calls the op with arrays in the order of the operands.
        void run(Kernels kernels, List<NdArray> in, List<NdArray> out);
    }

    /// The arrays of one run.
    ///
    /// @param inputs in the order of the operands
    /// @param outputs in the order of the operands
    public record Arrays(List<GuardedArray> inputs, List<GuardedArray> outputs) {
        /// Runs the case once on these arrays.
        public void run(OpCase c, Kernels kernels) {
            c.call.run(
                    kernels,
                    inputs.stream().map(GuardedArray::array).toList(),
                    outputs.stream().map(GuardedArray::array).toList());
        }
    }

    /// Copies the lists.
    public OpCase {
        inputs = List.copyOf(inputs);
        outputs = List.copyOf(outputs);
    }

    /// Allocates and fills all operands; the same numbers every time.
    public Arrays allocate(Arena arena) {
        SplittableRandom random = new SplittableRandom(toString().hashCode());
        return new Arrays(
                inputs.stream()
                        .map(o -> GuardedArray.allocate(arena, o, random.split()))
                        .toList(),
                outputs.stream()
                        .map(o -> GuardedArray.allocate(arena, o, random.split()))
                        .toList());
    }

    @Override
    public String toString() {
        return op + ": " + name;
    }
}
