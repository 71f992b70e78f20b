package dev.palimpsest.models.conformance;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.random.TorchCpuRandom;
import dev.palimpsest.tensor.random.TorchCudaRandom;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// PyTorch's random numbers: `random.torch_cpu`, `random.torch_cuda`. The tensors' names say which function was called
/// with which seed for which shape: `out.FUNCTION.seedN.SHAPE`, on CUDA `out.FUNCTION.seedN.SHAPE.callK`.
public final class RandomGoldens implements GoldenEvaluator {
    private static final String CPU = "random.torch_cpu";
    private static final String CUDA = "random.torch_cuda";
    private static final Pattern NAME = Pattern.compile("out\\.(\\w+)\\.seed(\\d+)\\.[\\dx]+(?:\\.call(\\d+))?");
    private static final int RANDINT_BOUND = 1000;
    private static final float BERNOULLI_P = 0.3f;

    /// An evaluator.
    public RandomGoldens() {}

    @Override
    public Set<String> kinds() {
        return Set.of(CPU, CUDA);
    }

    @Override
    public Map<String, Tensor> evaluate(GoldenFile file) {
        Map<String, Tensor> out = new HashMap<>();
        for (String key : file.expected()) {
            Matcher name = NAME.matcher(key);
            if (!name.matches()) {
                throw new IllegalArgumentException(file.path() + ": the name " + key + " is not understood");
            }
            long seed = Long.parseLong(name.group(2));
            Shape shape = file.expectedShape(key);
            out.put(
                    key,
                    file.kind().equals(CUDA)
                            ? cuda(
                                    name.group(1),
                                    seed,
                                    shape,
                                    name.group(3) == null ? 0 : Integer.parseInt(name.group(3)))
                            : cpu(name.group(1), seed, shape));
        }
        return out;
    }

    private static Tensor cuda(String function, long seed, Shape shape, int call) {
        TorchCudaRandom random = new TorchCudaRandom(seed);
        int n = Math.toIntExact(shape.elements());
        float[] values = new float[n];
        for (int i = 0; i <= call; i++) {
            switch (function) {
                case "randn" -> random.randn(values);
                case "rand" -> random.rand(values);
                default -> throw unknown(function);
            }
        }
        return Tensor.of(values, shape.dims());
    }

    private static Tensor cpu(String function, long seed, Shape shape) {
        TorchCpuRandom random = new TorchCpuRandom(seed);
        int n = Math.toIntExact(shape.elements());
        return switch (function) {
            case "rand" -> floats(n, random::rand).reshape(shape);
            case "randn" -> floats(n, random::randn).reshape(shape);
            case "exponential" -> floats(n, random::exponential).reshape(shape);
            case "randn64" -> doubles(random, n).reshape(shape);
            case "randint" -> {
                long[] values = new long[n];
                random.randint(0, RANDINT_BOUND, values);
                yield Tensor.of(values, shape.dims());
            }
            case "randperm" -> Tensor.of(random.randperm(n), shape.dims());
            case "bernoulli" -> {
                boolean[] values = new boolean[n];
                random.bernoulli(BERNOULLI_P, values);
                long[] bits = new long[n];
                for (int i = 0; i < n; i++) {
                    bits[i] = values[i] ? 1 : 0;
                }
                yield Tensor.of(bits, shape.dims()).to(DType.BOOL);
            }
            // four draws from one generator: randn(3), randn(n - 15), rand(5), randn(7)
            case "normal_seq" ->
                Tensor.concat(
                        List.of(
                                floats(3, random::randn),
                                floats(n - 15, random::randn),
                                floats(5, random::rand),
                                floats(7, random::randn)),
                        0);
            default -> throw unknown(function);
        };
    }

    private static Tensor floats(int n, Consumer<float[]> draw) {
        float[] values = new float[n];
        draw.accept(values);
        return Tensor.of(values, n);
    }

    private static Tensor doubles(TorchCpuRandom random, int n) {
        double[] values = new double[n];
        random.randn64(values);
        Tensor out = Tensor.empty(DType.F64, Shape.of(n));
        MemorySegment.copy(values, 0, out.array().memory(), ValueLayout.JAVA_DOUBLE_UNALIGNED, 0, n);
        return out;
    }

    private static IllegalArgumentException unknown(String function) {
        return new IllegalArgumentException("the random function " + function + " is not known");
    }
}
