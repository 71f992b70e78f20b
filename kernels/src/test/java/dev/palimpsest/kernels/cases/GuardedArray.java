package dev.palimpsest.kernels.cases;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Shape;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.BitSet;
import java.util.function.Consumer;
import java.util.random.RandomGenerator;

/// An array between guards: every byte of its memory that belongs to no element is 0xFF and has to stay so.
///
/// A kernel that reads past its input computes with NaN, one that writes past its output is found by [#strayWrite].
public final class GuardedArray {
    /// Elements in front and behind; odd, so that nothing is aligned by accident.
    private static final int GUARD = 67;

    private static final byte POISON = (byte) 0xFF;

    private final NdArray array;
    private final BitSet elementBytes = new BitSet();

    private GuardedArray(NdArray array, NdArray stored) {
        this.array = array;
        int size = stored.dtype().bytes();
        forEachIndex(stored.shape(), index -> {
            int at = Math.toIntExact(stored.byteOffset(index));
            elementBytes.set(at, at + size);
        });
    }

    /// Allocates and fills an operand.
    public static GuardedArray allocate(Arena arena, Operand operand, RandomGenerator random) {
        DType dtype = operand.dtype();
        Shape shape = operand.shape();
        long[] strides = operand.layout().strides(shape);
        long span = shape.elements() == 0 ? 0 : 1;
        for (int i = 0; i < strides.length && span > 0; i++) {
            span += (shape.dim(i) - 1) * strides[i];
        }
        int shift = operand.layout().shift();
        MemorySegment memory = arena.allocate((2 * GUARD + span) * dtype.bytes() + shift, 64)
                .fill(POISON)
                .asSlice(shift);
        NdArray stored = NdArray.of(memory, dtype, shape, strides, GUARD);
        if (operand.values() != Values.POISON) {
            int[] i = {0};
            forEachIndex(shape, index -> {
                double value = operand.values().generator().next(random, i[0]++);
                if (dtype == DType.F8_E4M3 || dtype == DType.F8_E5M2) {
                    stored.reinterpret(DType.I8).set(Math.rint(value * 10), index);
                } else {
                    stored.set(value, index);
                }
            });
        }
        return new GuardedArray(stored.expand(operand.seen()), stored);
    }

    /// The array as the op sees it.
    public NdArray array() {
        return array;
    }

    /// All bytes of the memory, guards included.
    public byte[] bytes() {
        return array.memory().toArray(ValueLayout.JAVA_BYTE);
    }

    /// Position in bytes, from the start of the memory, of a byte outside the elements that was written; -1 if there
    /// is none.
    public long strayWrite() {
        byte[] bytes = bytes();
        for (int i = elementBytes.nextClearBit(0); i < bytes.length; i = elementBytes.nextClearBit(i + 1)) {
            if (bytes[i] != POISON) {
                return i;
            }
        }
        return -1;
    }

    /// Number of elements that still are what memory is filled with. Integers of 0xFF bytes are ordinary numbers, so
    /// only arrays of f16 and wider floating types can tell.
    public long unwritten() {
        if (!array.dtype().isFloating() || array.dtype().bytes() == 1) {
            return 0;
        }
        NdArray bits = array.reinterpret(
                switch (array.dtype().bytes()) {
                    case 2 -> DType.I16;
                    case 4 -> DType.I32;
                    default -> DType.I64;
                });
        long[] count = {0};
        forEachIndex(bits.shape(), index -> count[0] += bits.getLong(index) == -1 ? 1 : 0);
        return count[0];
    }

    /// Visits all indices of a shape in row-major order; the array is reused.
    public static void forEachIndex(Shape shape, Consumer<int[]> body) {
        if (shape.elements() == 0) {
            return;
        }
        int[] index = new int[shape.rank()];
        int axis;
        do {
            body.accept(index);
            axis = shape.rank() - 1;
            while (axis >= 0 && ++index[axis] == shape.dim(axis)) {
                index[axis] = 0;
                axis--;
            }
        } while (axis >= 0);
    }
}
