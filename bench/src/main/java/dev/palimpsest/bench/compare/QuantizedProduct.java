package dev.palimpsest.bench.compare;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Quantization;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// The operands of an 8-bit product as [Quantization] defines them, for a library that multiplies only the integers.
final class QuantizedProduct {
    private final Field field;
    private final int rows;
    private final int inner;
    private final int columns;
    private final NdArray activations;
    private final NdArray weights;
    private final Quantization.Row[] ofRows;
    private final float[] scales;
    private final int[] sums;

    /// Quantises.
    ///
    /// @param a `(m, k)`
    /// @param weight `(n, k)`
    QuantizedProduct(Field field, NdArray a, NdArray weight) {
        this.field = field;
        rows = a.dim(0);
        inner = a.dim(1);
        columns = weight.dim(0);
        activations = field.zeros(DType.U8, rows, inner);
        weights = field.zeros(DType.I8, columns, inner);
        ofRows = new Quantization.Row[rows];
        scales = new float[columns];
        sums = new int[columns];
        for (int i = 0; i < rows; i++) {
            quantizeRow(i, a.memory());
        }
        for (int j = 0; j < columns; j++) {
            quantizeColumn(j, weight.memory());
        }
    }

    private void quantizeRow(int i, MemorySegment a) {
        float smallest = 0;
        float largest = 0;
        for (int p = 0; p < inner; p++) {
            float x = a.getAtIndex(ValueLayout.JAVA_FLOAT, (long) i * inner + p);
            smallest = Math.min(smallest, x);
            largest = Math.max(largest, x);
        }
        Quantization.Row row = Quantization.row(smallest, largest);
        ofRows[i] = row;
        for (int p = 0; p < inner; p++) {
            long at = (long) i * inner + p;
            int q = row.quantize(a.getAtIndex(ValueLayout.JAVA_FLOAT, at));
            activations.memory().set(ValueLayout.JAVA_BYTE, at, (byte) q);
        }
    }

    private void quantizeColumn(int j, MemorySegment weight) {
        float largest = 0;
        for (int p = 0; p < inner; p++) {
            largest = Math.max(largest, Math.abs(weight.getAtIndex(ValueLayout.JAVA_FLOAT, (long) j * inner + p)));
        }
        float inverse = Quantization.weightInverse(largest);
        scales[j] = Quantization.weightScale(largest);
        for (int p = 0; p < inner; p++) {
            long at = (long) j * inner + p;
            byte q = Quantization.weight(weight.getAtIndex(ValueLayout.JAVA_FLOAT, at), inverse);
            weights.memory().set(ValueLayout.JAVA_BYTE, at, q);
            sums[j] += q;
        }
    }

    /// `(m, k)`, u8.
    NdArray activations() {
        return activations;
    }

    /// `(n, k)`, i8.
    NdArray weights() {
        return weights;
    }

    /// The product as numbers.
    ///
    /// @param products sums of products of integers `(m, n)`, i32
    NdArray product(NdArray products) {
        NdArray out = field.zeros(DType.F32, rows, columns);
        for (int i = 0; i < rows; i++) {
            for (int j = 0; j < columns; j++) {
                long at = (long) i * columns + j;
                int sum = products.memory().getAtIndex(ValueLayout.JAVA_INT, at);
                float value = (float) (sum - ofRows[i].zero() * sums[j]) * scales[j] * ofRows[i].scale();
                out.memory().setAtIndex(ValueLayout.JAVA_FLOAT, at, value);
            }
        }
        return out;
    }
}
