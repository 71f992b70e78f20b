package dev.palimpsest.weights;

import dev.palimpsest.kernels.NdArray;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/// The stored bytes of arrays, in row-major order of their elements.
final class Bits {
    private Bits() {}

    /// Walks the elements one by one through the public index arithmetic, so as to depend on nothing that is tested.
    static byte[] of(NdArray array) {
        int size = array.dtype().bytes();
        byte[] bytes = new byte[Math.toIntExact(array.elements() * size)];
        int[] index = new int[array.rank()];
        for (int at = 0; at < bytes.length; at += size) {
            MemorySegment.copy(array.memory(), ValueLayout.JAVA_BYTE, array.byteOffset(index), bytes, at, size);
            for (int axis = array.rank() - 1; axis >= 0 && ++index[axis] == array.dim(axis); axis--) {
                index[axis] = 0;
            }
        }
        return bytes;
    }

    /// What differs between two arrays, or an empty text.
    static String difference(NdArray a, NdArray b) {
        if (a.dtype() != b.dtype() || !a.shape().equals(b.shape())) {
            return a + " is not " + b;
        }
        int at = Arrays.mismatch(of(a), of(b));
        return at < 0 ? "" : a + " differs at byte " + at;
    }
}
