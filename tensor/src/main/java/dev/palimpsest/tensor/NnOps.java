package dev.palimpsest.tensor;

import static dev.palimpsest.tensor.ShapeOps.input;

import dev.palimpsest.kernels.Activation;
import dev.palimpsest.kernels.Affine;
import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.Attention;
import dev.palimpsest.kernels.Convolution;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Epilogue;
import dev.palimpsest.kernels.Interpolation;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.KeyRanges;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.PackedFilter;
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
    ///
    /// @param by how to multiply by the weight
    record Linear(Activation activation, Multiplication by) implements Op {
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
            NdArray product = out.array().reshape(rows);
            Epilogue epilogue = new Epilogue(
                    learned(inputs, 2), activation, matrix(inputs, 3, to, rows), matrix(inputs, 4, to, rows));
            Kernels kernels = Backend.kernels();
            NdArray right = weight.array().transpose(0, 1); // (in, out)
            if (by.packed() != null) {
                kernels.matmul(flat.array(), by.packed(), product, epilogue);
            } else if (by.arithmetic() == Arithmetic.F32) {
                kernels.matmul(flat.array(), right, product, epilogue);
            } else {
                kernels.matmul(flat.array(), right, product, epilogue, by.arithmetic());
            }
            return out;
        }

        /// With an activation or a gate the product itself is needed again, so the parts are recorded one by one.
        @Override
        public @Nullable Tensor plain(@Nullable Tensor[] inputs) {
            Tensor gate = inputs[3];
            Tensor residual = inputs[4];
            if (activation == Activation.NONE && gate == null) {
                return null;
            }
            Tensor product = new Linear(Activation.NONE, by).apply(inputs[0], inputs[1], inputs[2], null, null);
            Tensor active = activated(activation, product);
            Tensor gated = gate == null ? active : active.mul(gate);
            return residual == null ? gated : gated.add(residual);
        }

        @Override
        public void gradient(Backward b) {
            Tensor x = b.input(0);
            Tensor weight = b.input(1);
            b.to(0, dy -> matrix(dy).matmul(weight).reshape(x.shape()));
            b.to(1, dy -> matrix(dy).transpose(0, 1).matmul(matrix(x)));
            b.to(2, dy -> dy);
            b.to(4, dy -> dy);
        }

        @Override
        public boolean needs(int input, boolean[] wanted) {
            return input < 2 && wanted[1 - input];
        }

        /// All axes but the last merged.
        private static Tensor matrix(Tensor t) {
            return t.reshape(rows(t.shape()), t.dim(-1));
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
    ///
    /// @param packed what to convolve with in place of the weight, if anything; then the weight may be absent unless a
    ///     gradient is wanted
    record Convolve(Convolution geometry, @Nullable PackedFilter packed) implements Op {
        @Override
        public String name() {
            return "convolution";
        }

        @Override
        public Tensor forward(@Nullable Tensor[] inputs) {
            Tensor x = input(inputs, 0);
            Shape to = geometry.outputShape(
                    x.shape(), packed == null ? input(inputs, 1).shape() : packed.shape()); // (N, O, T, H, W)
            // Channels innermost: the layout in which the next convolution reads fastest.
            Tensor out = output(DType.F32, Shape.of(to.dim(0), to.dim(2), to.dim(3), to.dim(4), to.dim(1)))
                    .permute(0, 4, 1, 2, 3);
            Epilogue epilogue = new Epilogue(learned(inputs, 2), Activation.NONE, null, stretched(inputs, 3, to));
            if (packed == null) {
                Backend.kernels()
                        .convolution(geometry, x.array(), input(inputs, 1).array(), out.array(), epilogue);
            } else {
                Backend.kernels().convolution(geometry, x.array(), packed, out.array(), epilogue);
            }
            return out;
        }

        @Override
        public void gradient(Backward b) {
            ConvolutionGradient parts = new ConvolutionGradient(geometry, b.input(0), b.input(1), b.gradient());
            b.to(0, dy -> parts.input());
            b.to(1, dy -> parts.weight());
            b.to(2, dy -> dy.sum(0, 2, 3, 4).reshape(dy.dim(1)));
            b.to(3, dy -> dy);
        }

        @Override
        public boolean needs(int input, boolean[] wanted) {
            return input < 2 && wanted[1 - input];
        }
    }

    /// Inputs: q, k, v, bias.
    record Attend(
            float scale,
            KeyRanges visible,
            @Nullable Tensor probabilities,
            @Nullable Tensor logSumExp,
            Arithmetic arithmetic)
            implements Op {
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
                    logSumExp == null ? null : logSumExp.array(),
                    arithmetic);
            Backend.kernels().attention(op, q.array(), k.array(), v.array(), out.array());
            return out;
        }

        @Override
        public void gradient(Backward b) {
            new AttentionGradient(scale, visible, b).run();
        }

        @Override
        public boolean needsOutput(boolean[] wanted) {
            return true;
        }
    }

    private static Tensor activated(Activation activation, Tensor x) {
        return switch (activation) {
            case NONE -> x;
            case SILU -> x.silu();
            case GELU_TANH -> x.geluTanh();
        };
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

        @Override
        public void gradient(Backward b) {
            new NormGradient(b, eps, false).run();
        }

        @Override
        public boolean needs(int input, boolean[] wanted) {
            return input < 4;
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

        @Override
        public void gradient(Backward b) {
            new NormGradient(b, eps, true).run();
        }

        @Override
        public boolean needs(int input, boolean[] wanted) {
            return input < 4;
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

        /// Every group is a row of a layer normalisation without learned parts.
        @Override
        public Tensor plain(@Nullable Tensor[] inputs) {
            Tensor x = input(inputs, 0); // (N, C, ...)
            int samples = x.dim(0);
            int channels = x.dim(1);
            Tensor rows = x.reshape(samples, groups, Math.toIntExact(x.elements() / samples / groups));
            Tensor flat = Functional.layerNorm(rows, eps, null, null, null, null)
                    .reshape(samples, channels, Math.toIntExact(x.elements() / samples / channels));
            Tensor weight = input(inputs, 1).reshape(channels, 1);
            Tensor bias = input(inputs, 2).reshape(channels, 1);
            return activated(activation, flat.mul(weight).add(bias).reshape(x.shape()));
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

        /// A rotation is undone by the opposite angle, which is also its transpose. Angles have no gradient.
        @Override
        public void gradient(Backward b) {
            b.to(0, dy -> new Rotate(layout).apply(dy, b.input(1), b.input(2).neg()));
        }

        @Override
        public boolean needs(int input, boolean[] wanted) {
            return input > 0;
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

        /// Every axis is resized by a matrix of its own, which shows itself in what becomes of the unit vectors.
        @Override
        public void gradient(Backward b) {
            Shape from = b.input(0).shape();
            b.to(0, dy -> {
                Tensor dx = dy;
                for (int axis = 2; axis < to.rank(); axis++) {
                    Tensor matrix = resizing(from.dim(axis), to.dim(axis)); // (in, out)
                    dx = dx.transpose(axis, -1).matmul(matrix.transpose(0, 1)).transpose(axis, -1);
                }
                return dx;
            });
        }

        @Override
        public boolean needs(int input, boolean[] wanted) {
            return false;
        }

        private Tensor resizing(int in, int out) {
            Tensor unit = Tensor.zeros(in, 1, 1, in);
            for (int i = 0; i < in; i++) {
                unit.array().set(1, i, 0, 0, i);
            }
            return Functional.interpolate(mode, unit, 1, out).reshape(in, out);
        }
    }
}
