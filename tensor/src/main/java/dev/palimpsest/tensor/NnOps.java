package dev.palimpsest.tensor;

import static dev.palimpsest.tensor.ShapeOps.input;

import dev.palimpsest.kernels.Activation;
import dev.palimpsest.kernels.Affine;
import dev.palimpsest.kernels.Attention;
import dev.palimpsest.kernels.Convolution;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Epilogue;
import dev.palimpsest.kernels.Interpolation;
import dev.palimpsest.kernels.KeyRanges;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.RopeLayout;
import dev.palimpsest.kernels.Shape;
import org.jspecify.annotations.Nullable;

/// The ops behind [Functional].
final class NnOps {
    private NnOps() {}

    private static @Nullable NdArray array(@Nullable Tensor[] inputs, int i) {
        Tensor t = inputs[i];
        return t == null ? null : t.array();
    }

    /// A learned vector as kernels want it: in f32, whatever type the checkpoint stores.
    private static @Nullable NdArray learned(@Nullable Tensor[] inputs, int i) {
        Tensor t = inputs[i];
        return t == null ? null : t.to(DType.F32).array();
    }

    private static @Nullable NdArray stretched(@Nullable Tensor[] inputs, int i, Shape to) {
        NdArray a = array(inputs, i);
        return a == null ? null : a.expand(to);
    }

    /// Inputs: x, weight, bias, gate, residual.
    record Linear(Activation activation) implements Op {
        @Override
        public String name() {
            return "linear";
        }

        @Override
        public Tensor forward(@Nullable Tensor[] inputs) {
            Tensor x = input(inputs, 0);
            Tensor weight = input(inputs, 1);
            if (weight.rank() != 2 || x.rank() == 0 || x.dim(-1) != weight.dim(1)) {
                throw new IllegalArgumentException("linear: input " + x.shape() + " does not fit weight "
                        + weight.shape() + "; the input's last extent must be the weight's second");
            }
            Shape to = x.shape().with(-1, weight.dim(0));
            Shape rows = Shape.of(rows(to), weight.dim(0)); // (M, out)
            Tensor flat = x.reshape(rows.dim(0), weight.dim(1)); // (M, in)
            Tensor out = output(DType.F32, to);
            Backend.kernels()
                    .matmul(
                            flat.array(),
                            weight.array().transpose(0, 1),
                            out.array().reshape(rows),
                            new Epilogue(
                                    learned(inputs, 2),
                                    activation,
                                    matrix(inputs, 3, to, rows),
                                    matrix(inputs, 4, to, rows)));
            return out;
        }

        private static int rows(Shape s) {
            long n = 1;
            for (int i = 0; i < s.rank() - 1; i++) {
                n *= s.dim(i);
            }
            return Math.toIntExact(n);
        }

        /// An epilogue operand as a matrix; what broadcasts over some but not all leading axes has to be written out.
        private static @Nullable NdArray matrix(@Nullable Tensor[] inputs, int i, Shape to, Shape rows) {
            Tensor t = inputs[i];
            if (t == null) {
                return null;
            }
            NdArray wide = t.array().expand(to);
            return wide.canReshape(rows)
                    ? wide.reshape(rows)
                    : t.expand(to).copy().array().reshape(rows);
        }
    }

    /// Inputs: x, weight, bias, residual.
    record Convolve(Convolution geometry) implements Op {
        @Override
        public String name() {
            return "convolution";
        }

        @Override
        public Tensor forward(@Nullable Tensor[] inputs) {
            Tensor x = input(inputs, 0);
            Tensor weight = input(inputs, 1);
            Shape to = geometry.outputShape(x.shape(), weight.shape()); // (N, O, T, H, W)
            // Channels innermost: the layout in which the next convolution reads fastest.
            Tensor out = output(DType.F32, Shape.of(to.dim(0), to.dim(2), to.dim(3), to.dim(4), to.dim(1)))
                    .permute(0, 4, 1, 2, 3);
            Epilogue epilogue = new Epilogue(learned(inputs, 2), Activation.NONE, null, stretched(inputs, 3, to));
            Backend.kernels().convolution(geometry, x.array(), weight.array(), out.array(), epilogue);
            return out;
        }
    }

    /// Inputs: q, k, v, bias.
    record Attend(
            float scale,
            KeyRanges visible,
            @Nullable Tensor probabilities,
            @Nullable Tensor logSumExp) implements Op {
        @Override
        public String name() {
            return "attention";
        }

        @Override
        public Tensor forward(@Nullable Tensor[] inputs) {
            Tensor q = input(inputs, 0);
            Tensor k = input(inputs, 1);
            Tensor v = input(inputs, 2);
            if (q.rank() != 3 || k.rank() != 3 || v.rank() != 3) {
                throw new IllegalArgumentException("attention: queries " + q.shape() + ", keys " + k.shape()
                        + " and values " + v.shape() + " must have the axes (length, heads, width)");
            }
            Tensor out = output(DType.F32, q.shape().with(-1, v.dim(-1)));
            Attention op = new Attention(
                    scale,
                    visible,
                    stretched(inputs, 3, Shape.of(q.dim(1), q.dim(0), k.dim(0))),
                    probabilities == null ? null : probabilities.array(),
                    logSumExp == null ? null : logSumExp.array());
            Backend.kernels().attention(op, q.array(), k.array(), v.array(), out.array());
            return out;
        }
    }

    private static Affine affine(@Nullable Tensor[] inputs, Shape shape) {
        return new Affine(
                learned(inputs, 1), learned(inputs, 2), stretched(inputs, 3, shape), stretched(inputs, 4, shape));
    }

    /// Inputs: x, weight, bias, scale, shift.
    record RmsNormalise(float eps) implements Op {
        @Override
        public String name() {
            return "rms_norm";
        }

        @Override
        public Tensor forward(@Nullable Tensor[] inputs) {
            Tensor x = input(inputs, 0);
            Tensor out = output(DType.F32, x.shape());
            Backend.kernels().rmsNorm(x.array(), eps, affine(inputs, x.shape()), out.array());
            return out;
        }
    }

    /// Inputs: x, weight, bias, scale, shift.
    record LayerNormalise(float eps) implements Op {
        @Override
        public String name() {
            return "layer_norm";
        }

        @Override
        public Tensor forward(@Nullable Tensor[] inputs) {
            Tensor x = input(inputs, 0);
            Tensor out = output(DType.F32, x.shape());
            Backend.kernels().layerNorm(x.array(), eps, affine(inputs, x.shape()), out.array());
            return out;
        }
    }

    /// Inputs: x, weight, bias.
    record GroupNormalise(int groups, float eps, Activation activation) implements Op {
        @Override
        public String name() {
            return "group_norm";
        }

        @Override
        public Tensor forward(@Nullable Tensor[] inputs) {
            Tensor x = input(inputs, 0);
            Tensor out = alike(x);
            Backend.kernels()
                    .groupNorm(
                            x.array(),
                            groups,
                            eps,
                            input(inputs, 1).to(DType.F32).array(),
                            input(inputs, 2).to(DType.F32).array(),
                            activation,
                            out.array());
            return out;
        }

        /// A result with the channels innermost if the input has them there.
        private Tensor alike(Tensor x) {
            if (x.rank() == 5 && x.array().permute(0, 2, 3, 4, 1).isContiguous()) {
                Shape s = x.shape();
                return output(DType.F32, Shape.of(s.dim(0), s.dim(2), s.dim(3), s.dim(4), s.dim(1)))
                        .permute(0, 4, 1, 2, 3);
            }
            return output(DType.F32, x.shape());
        }
    }

    /// Inputs: x, cos, sin.
    record Rotate(RopeLayout layout) implements Op {
        @Override
        public String name() {
            return "rope";
        }

        @Override
        public Tensor forward(@Nullable Tensor[] inputs) {
            Tensor x = input(inputs, 0);
            Tensor out = output(DType.F32, x.shape());
            Backend.kernels()
                    .rope(
                            layout,
                            x.array(),
                            input(inputs, 1).array(),
                            input(inputs, 2).array(),
                            out.array());
            return out;
        }
    }

    record Resample(Interpolation mode, Shape to) implements Op {
        @Override
        public String name() {
            return "interpolate";
        }

        @Override
        public Tensor forward(@Nullable Tensor[] inputs) {
            Tensor out = output(DType.F32, to);
            Backend.kernels().interpolate(mode, input(inputs, 0).array(), out.array());
            return out;
        }
    }
}
