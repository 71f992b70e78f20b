package dev.palimpsest.tensor.autograd;

import static org.assertj.core.api.Assertions.assertThat;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.KernelProviders;
import dev.palimpsest.kernels.Parallel;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.tensor.Backend;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/// Compares the gradients of the tape with differences of the function itself.
///
/// The loss is the sum of the output's elements, each times a random number. Differences are taken where they are
/// exact to many digits:
/// - elementwise functions and reductions have f64 kernels, so both the tape and central differences run in f64;
/// - ops whose kernels compute in f32 are compared with central differences of the same mathematics put together, in
/// f64, from elementwise functions and reductions;
/// - ops that are linear in each input need no small step: the central difference with a step of 1 is the derivative.
/// The reference kernels take it, whose sums are rounded once: a gradient can be a sum over many outputs that cancel
/// each other, but not their roundings.
final class GradientCheck {
    interface Function {
        Tensor of(Tensor... inputs);
    }

    private GradientCheck() {}

    /// An op that computes in f64.
    static void inDouble(Function op, Tensor... inputs) {
        Scope.run(() -> {
            Tensor[] wide = in(DType.F64, inputs);
            Tensor cotangent = random(7, -1, 1, op.of(wide).shape()).to(DType.F64);
            double[][] expected = differences(op, wide, cotangent, 1e-5);
            assertClose("f64", gradients(op, wide, cotangent), expected, 1e-8);
            assertClose("f32", gradients(op, inputs, cotangent.to(DType.F32)), expected, 2e-6);
            return null;
        });
    }

    /// An op that computes in f32, with its definition in f64.
    static void againstDefinition(Function op, Function definition, Tensor... inputs) {
        Scope.run(() -> {
            Tensor[] wide = in(DType.F64, inputs);
            Tensor meant = definition.of(wide);
            assertClose("forward", new double[][] {numbers(op.of(inputs))}, new double[][] {numbers(meant)}, 1e-6);
            Tensor cotangent = random(7, -1, 1, meant.shape()).to(DType.F64);
            double[][] expected = differences(definition, wide, cotangent, 1e-5);
            assertClose("f32", gradients(op, inputs, cotangent.to(DType.F32)), expected, 3e-6);
            return null;
        });
    }

    /// An op that is linear in each of its inputs.
    static void multilinear(Function op, Tensor... inputs) {
        Scope.run(() -> {
            Tensor cotangent = random(7, -1, 1, op.of(inputs).shape());
            double[][] expected;
            try (Parallel one = new Parallel(1)) {
                expected = Backend.with(
                        KernelProviders.create("scalar", one), () -> differences(op, inputs, cotangent, 1));
            }
            assertClose("f32", gradients(op, inputs, cotangent), expected, 3e-6);
            return null;
        });
    }

    /// Uniform random numbers.
    static Tensor random(long seed, double low, double high, Shape shape) {
        Random random = new Random(seed + shape.hashCode());
        float[] values = new float[Math.toIntExact(shape.elements())];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) (low + (high - low) * random.nextDouble());
        }
        return Tensor.of(values, values.length).reshape(shape);
    }

    static double[][] gradients(Function op, Tensor[] inputs, Tensor cotangent) {
        try (Tape tape = new Tape()) {
            for (Tensor x : inputs) {
                tape.watch(x);
            }
            Tensor y = tape.record(() -> op.of(inputs));
            Gradients gradients = tape.backward(y, cotangent);
            List<double[]> all = new ArrayList<>();
            for (Tensor x : inputs) {
                assertThat(gradients.of(x).shape()).isEqualTo(x.shape());
                all.add(numbers(gradients.of(x)));
            }
            return all.toArray(double[][]::new);
        }
    }

    static Tensor[] in(DType type, Tensor[] inputs) {
        Tensor[] converted = new Tensor[inputs.length];
        for (int i = 0; i < inputs.length; i++) {
            converted[i] = inputs[i].to(type);
        }
        return converted;
    }

    private static double[][] differences(Function f, Tensor[] inputs, Tensor cotangent, double step) {
        double[][] derivatives = new double[inputs.length][];
        Tensor[] moved = inputs.clone();
        for (int k = 0; k < inputs.length; k++) {
            Tensor flat = inputs[k].copy().reshape(-1);
            moved[k] = flat.reshape(inputs[k].shape());
            derivatives[k] = new double[Math.toIntExact(flat.elements())];
            for (int i = 0; i < derivatives[k].length; i++) {
                double x = flat.get(i);
                flat.array().set(x + step, i);
                double up = flat.get(i);
                double above = loss(f, moved, cotangent);
                flat.array().set(x - step, i);
                double down = flat.get(i);
                double below = loss(f, moved, cotangent);
                flat.array().set(x, i);
                derivatives[k][i] = (above - below) / (up - down);
            }
            moved[k] = inputs[k];
        }
        return derivatives;
    }

    private static double loss(Function f, Tensor[] inputs, Tensor cotangent) {
        return Scope.run(() ->
                f.of(inputs).to(DType.F64).mul(cotangent.to(DType.F64)).sum().item());
    }

    static double[] numbers(Tensor t) {
        return Scope.run(() -> {
            Tensor flat = t.to(DType.F64).reshape(-1);
            double[] values = new double[Math.toIntExact(flat.elements())];
            for (int i = 0; i < values.length; i++) {
                values[i] = flat.get(i);
            }
            return values;
        });
    }

    /// Equal up to a relative Euclidean distance; input by input. Inputs are of order 1, so a gradient that vanishes
    /// may still leave the rounding errors of terms of that order.
    static void assertClose(String what, double[][] actual, double[][] expected, double tolerance) {
        assertThat(actual).hasSameDimensionsAs(expected);
        for (int k = 0; k < expected.length; k++) {
            double distance = 0;
            double norm = 0;
            for (int i = 0; i < expected[k].length; i++) {
                distance += Math.pow(actual[k][i] - expected[k][i], 2);
                norm += Math.pow(expected[k][i], 2);
            }
            assertThat(Math.sqrt(distance))
                    .as("%s: distance of the gradient by input %d, of norm %s", what, k, Math.sqrt(norm))
                    .isLessThanOrEqualTo(tolerance * Math.max(Math.sqrt(norm), 0.1));
        }
    }
}
