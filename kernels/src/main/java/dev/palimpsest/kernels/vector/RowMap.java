package dev.palimpsest.kernels.vector;

import dev.palimpsest.kernels.NdArray;

/// Where the rows of a matrix lie whose row index runs over several axes of an array, its column index over the last
/// one.
///
/// Neighbouring axes whose elements follow each other evenly are merged, so that dense arrays need one multiplication
/// a row.
public final class RowMap {
    private final long base;
    private final int[] extents;
    private final long[] strides;
    private final int axes;

    private RowMap(long base, int[] extents, long[] strides, int axes) {
        this.base = base;
        this.extents = extents;
        this.strides = strides;
        this.axes = axes;
    }

    /// The rows of an array of at least one axis.
    public static RowMap of(NdArray x) {
        int[] extents = new int[x.rank()];
        long[] strides = new long[x.rank()];
        int axes = 0;
        for (int i = 0; i < x.rank() - 1; i++) {
            int extent = x.dim(i);
            long stride = x.stride(i);
            if (extent == 1) {
                continue;
            }
            if (axes > 0 && strides[axes - 1] == stride * extent) {
                extents[axes - 1] *= extent;
                strides[axes - 1] = stride;
            } else {
                extents[axes] = extent;
                strides[axes++] = stride;
            }
        }
        return new RowMap(x.offset(), extents, strides, axes);
    }

    /// Position of the first element of a row, in elements.
    public long at(long row) {
        long at = base;
        long rest = row;
        for (int i = axes - 1; i > 0; i--) {
            at += rest % extents[i] * strides[i];
            rest /= extents[i];
        }
        return axes == 0 ? at : at + rest * strides[0];
    }

    /// Writes the positions of the `count` rows from `first` on, in elements, to `into` from `index` on.
    public void fill(long first, int count, long[] into, int index) {
        for (int i = 0; i < count; i++) {
            into[index + i] = at(first + i);
        }
    }

    /// The distance of all neighbouring rows, or -1 if it varies.
    public long evenStride() {
        return axes == 0 ? 0 : axes == 1 ? strides[0] : -1;
    }

    /// The distance of the `count` neighbouring rows from `first` on, or -1 if it varies.
    public long evenStride(long first, int count) {
        int last = axes - 1;
        if (axes <= 1) {
            return evenStride();
        }
        return first % extents[last] + count <= extents[last] ? strides[last] : -1;
    }
}
