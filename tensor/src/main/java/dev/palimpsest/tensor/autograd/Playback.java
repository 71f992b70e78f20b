package dev.palimpsest.tensor.autograd;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.tensor.Backward;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/// The state of a backward pass: the derivatives known so far.
final class Playback {
    private final Set<Tensor> watched;
    private final Retained memory;
    private final Map<Tensor, Sum> sums = new HashMap<>();

    /// The derivative by one tensor, as far as its uses have been passed.
    private static final class Sum {
        private Tensor value;
        /// Whether nobody else reads the memory of the value, so that more can be added in place.
        private boolean own;

        Sum(Tensor value, boolean own) {
            this.value = value;
            this.own = own;
        }
    }

    Playback(Scope working, Set<Tensor> watched) {
        this.watched = watched;
        this.memory = new Retained(working);
    }

    /// Begins with the derivative by the output.
    void start(Tensor output, Tensor cotangent) {
        add(output, cotangent);
    }

    /// Passes one op. The derivative by its output is complete, since all that used it came later.
    void play(Tape.Step step) {
        Sum sum = sums.get(step.output());
        if (sum == null) {
            return; // computed, but of no consequence for the loss
        }
        Pass pass = new Pass(step, sum.value);
        step.op().gradient(pass);
        pass.checkComplete();
        if (!watched.contains(step.output())) {
            sums.remove(step.output());
            memory.release(sum.value);
        }
    }

    /// The derivatives by the watched tensors, each in memory of its own that belongs to `caller`.
    Gradients finish(Scope caller) {
        Map<Tensor, Tensor> gradients = new LinkedHashMap<>();
        for (Tensor leaf : watched) {
            Sum sum = sums.get(leaf);
            if (sum == null) {
                gradients.put(leaf, Tensor.full(type(leaf), leaf.shape(), 0));
            } else {
                gradients.put(leaf, memory.isExclusive(sum.value) ? caller.keep(sum.value) : sum.value.copy());
            }
        }
        return new Gradients(gradients);
    }

    private void add(Tensor to, Tensor gradient) {
        Tensor part = sumTo(gradient, to.shape()).to(type(to));
        Sum sum = sums.get(to);
        if (sum == null) {
            memory.retain(part);
            sums.put(to, new Sum(part, false));
        } else if (sum.own) {
            sum.value.addInPlace(part);
        } else {
            replace(sum, sum.value.add(part));
        }
    }

    private Tensor ownSum(Tensor to) {
        Sum sum = sums.get(to);
        if (sum == null) {
            Tensor zeros = Tensor.full(type(to), to.shape(), 0);
            memory.retain(zeros);
            sums.put(to, new Sum(zeros, true));
            return zeros;
        }
        if (!sum.own) {
            replace(sum, sum.value.copy());
        }
        return sum.value;
    }

    private void replace(Sum sum, Tensor value) {
        memory.retain(value);
        memory.release(sum.value);
        sum.value = value;
        sum.own = true;
    }

    /// The type of the derivative by a tensor.
    private static DType type(Tensor t) {
        return t.dtype() == DType.F64 ? DType.F64 : DType.F32;
    }

    /// Undoes broadcasting: sums over the axes that a tensor of shape `to` was stretched along.
    private static Tensor sumTo(Tensor x, Shape to) {
        if (x.shape().equals(to)) {
            return x;
        }
        int lead = x.rank() - to.rank();
        int[] stretched = new int[x.rank()];
        int n = 0;
        for (int axis = 0; axis < x.rank(); axis++) {
            if (axis < lead || (to.dim(axis - lead) == 1 && x.dim(axis) != 1)) {
                stretched[n++] = axis;
            }
        }
        Tensor sum = n == 0 ? x : x.sum(Arrays.copyOf(stretched, n));
        return sum.reshape(to);
    }

    /// One op on its way backward.
    private final class Pass implements Backward {
        private final Tape.Step step;
        private final Tensor gradient;
        private final boolean[] done;

        Pass(Tape.Step step, Tensor gradient) {
            this.step = step;
            this.gradient = gradient;
            this.done = new boolean[step.inputs().length];
        }

        @Override
        public int inputs() {
            return done.length;
        }

        @Override
        public Tensor input(int i) {
            @Nullable Tensor input = step.inputs()[i];
            return Objects.requireNonNull(input);
        }

        @Override
        public boolean has(int i) {
            return i < done.length && step.inputs()[i] != null;
        }

        @Override
        public boolean wants(int i) {
            return i < done.length && step.wanted()[i];
        }

        @Override
        public Tensor output() {
            return step.output();
        }

        @Override
        public Tensor gradient() {
            return gradient;
        }

        @Override
        public void to(int i, UnaryOperator<Tensor> derivative) {
            if (wants(i)) {
                done[i] = true;
                Scope.run(() -> {
                    add(input(i), derivative.apply(gradient));
                    return null;
                });
            }
        }

        @Override
        public void into(int i, Consumer<Tensor> add) {
            if (wants(i)) {
                done[i] = true;
                Scope.run(() -> {
                    add.accept(ownSum(input(i)));
                    return null;
                });
            }
        }

        @Override
        public void zero(int i) {
            if (wants(i)) {
                done[i] = true;
            }
        }

        void checkComplete() {
            for (int i = 0; i < done.length; i++) {
                if (wants(i) && !done[i]) {
                    throw new UnsupportedOperationException(
                            step.op().name() + ": has no gradient by its input " + i + ", " + input(i));
                }
            }
        }
    }
}
