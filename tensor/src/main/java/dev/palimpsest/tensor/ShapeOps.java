package dev.palimpsest.tensor;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Shape;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// Ops that move or rename elements without computing with them. Those that can be are views: they share the input's
/// memory.
final class ShapeOps {
    private ShapeOps() {}

    static Tensor only(@Nullable Tensor[] inputs) {
        return input(inputs, 0);
    }

    static Tensor input(@Nullable Tensor[] inputs, int i) {
        return Objects.requireNonNull(inputs[i]);
    }

    record Reshape(Shape to) implements Op {
        @Override
        public String name() {
            return "reshape";
        }

        @Override
        public Tensor forward(@Nullable Tensor[] inputs) {
            Tensor x = only(inputs);
            if (x.elements() != to.elements()) {
                throw new IllegalArgumentException("reshape: " + x.shape() + " has " + x.elements() + " elements, " + to
                        + " has " + to.elements());
            }
            if (x.array().canReshape(to)) {
                return x.view(x.array().reshape(to));
            }
            Tensor dense = output(x.dtype(), x.shape());
            Backend.kernels().copy(x.array(), dense.array());
            return dense.view(dense.array().reshape(to));
        }

        @Override
        public void gradient(Backward b) {
            b.to(0, dy -> dy.reshape(b.input(0).shape()));
        }

        @Override
        public boolean needs(int input, boolean[] wanted) {
            return false;
        }
    }

    record Permute(int... axes) implements Op {
        @Override
        public String name() {
            return "permute";
        }

        @Override
        public Tensor forward(@Nullable Tensor[] inputs) {
            Tensor x = only(inputs);
            return x.view(x.array().permute(axes));
        }

        @Override
        public void gradient(Backward b) {
            int[] back = new int[axes.length];
            for (int i = 0; i < axes.length; i++) {
                back[b.input(0).shape().axis(axes[i])] = i;
            }
            b.to(0, dy -> dy.permute(back));
        }

        @Override
        public boolean needs(int input, boolean[] wanted) {
            return false;
        }
    }

    record Slice(int axis, int from, int to) implements Op {
        @Override
        public String name() {
            return "slice";
        }

        @Override
        public Tensor forward(@Nullable Tensor[] inputs) {
            Tensor x = only(inputs);
            return x.view(x.array().slice(axis, from, to));
        }

        @Override
        public void gradient(Backward b) {
            b.into(0, dx -> dx.slice(axis, from, to).addInPlace(b.gradient()));
        }

        @Override
        public boolean needs(int input, boolean[] wanted) {
            return false;
        }
    }

    record Expand(Shape to) implements Op {
        @Override
        public String name() {
            return "expand";
        }

        @Override
        public Tensor forward(@Nullable Tensor[] inputs) {
            Tensor x = only(inputs);
            return x.view(x.array().expand(to));
        }

        @Override
        public void gradient(Backward b) {
            b.to(0, dy -> dy);
        }

        @Override
        public boolean needs(int input, boolean[] wanted) {
            return false;
        }
    }

    /// A dense copy in another or the same type.
    record Cast(DType dtype) implements Op {
        @Override
        public String name() {
            return "to";
        }

        @Override
        public Tensor forward(@Nullable Tensor[] inputs) {
            Tensor x = only(inputs);
            Tensor out = output(dtype, x.shape());
            Backend.kernels().copy(x.array(), out.array());
            return out;
        }

        @Override
        public void gradient(Backward b) {
            b.to(0, dy -> dy);
        }

        @Override
        public boolean needs(int input, boolean[] wanted) {
            return false;
        }
    }

    record Concat(int axis) implements Op {
        @Override
        public String name() {
            return "concat";
        }

        @Override
        public Tensor forward(@Nullable Tensor[] inputs) {
            if (inputs.length == 0) {
                throw new IllegalArgumentException("concat: needs at least one tensor");
            }
            Tensor first = input(inputs, 0);
            int a = first.shape().axis(axis);
            int extent = 0;
            for (int i = 0; i < inputs.length; i++) {
                Tensor t = input(inputs, i);
                if (t.rank() != first.rank()
                        || !t.shape().with(a, 0).equals(first.shape().with(a, 0))
                        || t.dtype() != first.dtype()) {
                    throw new IllegalArgumentException(
                            "concat: " + first + " and " + t + " differ on an axis other than " + a + " or in type");
                }
                extent += t.dim(a);
            }
            Tensor out = output(first.dtype(), first.shape().with(a, extent));
            int at = 0;
            for (int i = 0; i < inputs.length; i++) {
                Tensor t = input(inputs, i);
                Backend.kernels().copy(t.array(), out.array().slice(a, at, at + t.dim(a)));
                at += t.dim(a);
            }
            return out;
        }

        @Override
        public void gradient(Backward b) {
            int at = 0;
            for (int i = 0; i < b.inputs(); i++) {
                int from = at;
                int to = at + b.input(i).dim(axis);
                b.to(i, dy -> dy.slice(axis, from, to));
                at = to;
            }
        }

        @Override
        public boolean needs(int input, boolean[] wanted) {
            return false;
        }
    }

    /// Rows of a table.
    record Gather() implements Op {
        @Override
        public String name() {
            return "index_select";
        }

        @Override
        public Tensor forward(@Nullable Tensor[] inputs) {
            Tensor table = input(inputs, 0);
            Tensor indices = input(inputs, 1);
            if (indices.rank() != 1 || table.rank() == 0) {
                throw new IllegalArgumentException("index_select: rows of " + table.shape() + " by indices "
                        + indices.shape() + ": the table needs a row axis and the indices exactly one axis");
            }
            DType dtype = table.dtype().isFloating() && table.dtype() != DType.F64 ? DType.F32 : table.dtype();
            Tensor out = output(dtype, table.shape().with(0, indices.dim(0)));
            Backend.kernels().gather(table.array(), indices.array(), out.array());
            return out;
        }

        @Override
        public void gradient(Backward b) {
            b.into(
                    0,
                    table -> Backend.kernels()
                            .scatterAdd(b.gradient().array(), b.input(1).array(), table.array()));
        }

        @Override
        public boolean needs(int input, boolean[] wanted) {
            return input == 1;
        }
    }
}
