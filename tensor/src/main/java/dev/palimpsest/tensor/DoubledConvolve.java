package dev.palimpsest.tensor;

import static dev.palimpsest.tensor.ShapeOps.input;

import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.Convolution;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Epilogue;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.PackedFilter;
import dev.palimpsest.kernels.Shape;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A 3x3 convolution of pictures of which every row and column is taken twice, without making those pictures.
///
/// Where rows repeat, two of the three rows of the kernel meet the same row of the picture, and likewise for columns.
/// So each of the four new pixels of a position is a 2x2 convolution with sums of the kernel's elements (sub-pixel
/// convolution read backwards; Shi et al. 2016, arXiv 1609.05158): 16 multiplications in place of 36.
///
/// Inputs: x `(N, C, T, H, W)`, weight `(O, C, 1, 3, 3)`, bias `(O)`.
///
/// @param arithmetic of the convolutions
/// @param packed the sums that [#folded] makes, packed one by one; null to make them
record DoubledConvolve(Arithmetic arithmetic, @Nullable List<PackedFilter> packed) implements Op {
    private static final Convolution SAME = Convolution.planar(1, 1);

    /// Which element of a row (or column) of the new kernel each element of the old one adds to: first for new pixels
    /// at even, then at odd places.
    private static final int[][] MEETS = {{0, 1, 1}, {0, 0, 1}};

    @Override
    public String name() {
        return "doubled_convolution";
    }

    /// The four kernels of 2x2 elements, that of the new pixel `(y, x)` at `2 y + x`, in f32.
    ///
    /// @param weight `(O, C, 1, 3, 3)`
    /// @return each `(O, C, 1, 2, 2)`
    static List<Tensor> folded(Tensor weight) {
        float[] ones = new float[16 * 9];
        for (int place = 0; place < 4; place++) {
            for (int tap = 0; tap < 9; tap++) {
                int row = MEETS[place / 2][tap / 3];
                int column = MEETS[place % 2][tap % 3];
                ones[(place * 4 + row * 2 + column) * 9 + tap] = 1;
            }
        }
        Tensor select = Tensor.of(ones, 16, 9);
        Tensor sums = Functional.linear(weight.reshape(-1, 9), select, null)
                .reshape(weight.dim(0), weight.dim(1), 4, 2, 2); // (O, C, 4, 2, 2)
        return List.of(sums.slice(2, 0, 1), sums.slice(2, 1, 2), sums.slice(2, 2, 3), sums.slice(2, 3, 4));
    }

    @Override
    public Tensor forward(@Nullable Tensor[] inputs) {
        Tensor x = input(inputs, 0);
        Tensor weight = input(inputs, 1);
        Shape to = result(x.shape(), weight.shape()); // (N, O, T, 2H, 2W)
        Tensor out = output(DType.F32, Shape.of(to.dim(0), to.dim(2), to.dim(3), to.dim(4), to.dim(1)))
                .permute(0, 4, 1, 2, 3);
        Tensor bias = inputs[2];
        Epilogue epilogue =
                Epilogue.bias(bias == null ? null : bias.to(DType.F32).array());
        Kernels kernels = Backend.kernels();
        List<Tensor> made = packed == null ? folded(weight) : List.of();
        for (int place = 0; place < 4; place++) {
            int y = place / 2;
            int column = place % 2;
            Convolution op = new Convolution(1, 1, 1, 0, 0, 1 - y, y, 1 - column, column, false, arithmetic);
            NdArray part = out.array().every(3, y, 2).every(4, column, 2);
            if (packed == null) {
                kernels.convolution(op, x.array(), made.get(place).array(), part, epilogue);
            } else {
                kernels.convolution(op, x.array(), packed.get(place), part, epilogue);
            }
        }
        return out;
    }

    private static Shape result(Shape x, Shape weight) {
        if (weight.rank() != 5 || weight.dim(2) != 1 || weight.dim(3) != 3 || weight.dim(4) != 3) {
            throw new IllegalArgumentException(
                    "doubled_convolution: " + x + " * " + weight + ": the weight must be (O, C, 1, 3, 3)");
        }
        Shape same = SAME.outputShape(x, weight);
        return same.with(3, 2 * same.dim(3)).with(4, 2 * same.dim(4));
    }

    /// The doubled picture itself, and its convolution.
    @Override
    public Tensor plain(@Nullable Tensor[] inputs) {
        Tensor x = input(inputs, 0);
        int n = x.dim(0);
        int c = x.dim(1);
        int t = x.dim(2);
        int h = x.dim(3);
        int w = x.dim(4);
        Tensor doubled = x.permute(0, 2, 3, 4, 1)
                .reshape(n * t, h, 1, w, 1, c)
                .expand(n * t, h, 2, w, 2, c)
                .reshape(n, t, 2 * h, 2 * w, c)
                .permute(0, 4, 1, 2, 3); // (N, C, T, 2H, 2W)
        return Functional.convolution(SAME.in(arithmetic), doubled, input(inputs, 1), inputs[2], null);
    }
}
