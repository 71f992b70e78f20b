package dev.palimpsest.kernels.scalar;

import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.RopeLayout;

/// Rotary embedding, one head of one position at a time.
final class ScalarRope {
    private ScalarRope() {}

    static void run(RopeLayout layout, NdArray x, NdArray cos, NdArray sin, NdArray out) {
        int pairs = cos.dim(1);
        double[] row = new double[x.dim(2)];
        double[] c = new double[pairs];
        double[] s = new double[pairs];
        Rows.forEach(x.shape(), index -> {
            int position = index[0];
            Rows.read(x, index, row);
            Rows.read(cos, new int[] {position}, c);
            Rows.read(sin, new int[] {position}, s);
            for (int i = 0; i < pairs; i++) {
                int first = switch (layout) {
                    case INTERLEAVED -> 2 * i;
                    case HALF_SPLIT -> i;
                };
                int second = switch (layout) {
                    case INTERLEAVED -> 2 * i + 1;
                    case HALF_SPLIT -> i + pairs;
                };
                double a = row[first];
                double b = row[second];
                row[first] = a * c[i] - b * s[i];
                row[second] = a * s[i] + b * c[i];
            }
            Rows.write(row, out, index);
        });
    }
}
