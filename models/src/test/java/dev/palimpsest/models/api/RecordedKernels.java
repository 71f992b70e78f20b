package dev.palimpsest.models.api;

import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.Attention;
import dev.palimpsest.kernels.Convolution;
import dev.palimpsest.kernels.KernelProviders;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.PackedMatrix;
import dev.palimpsest.tensor.Backend;
import dev.palimpsest.tensor.Scope;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.Set;
import java.util.TreeSet;

/// The kernels of this process, with a note of the arithmetic of every product.
public final class RecordedKernels {
    private final Set<String> seen = new TreeSet<>();
    private final Kernels recorded;

    /// Nothing noted yet.
    public RecordedKernels() {
        Kernels kernels = KernelProviders.lookup().kernels();
        recorded = (Kernels) Proxy.newProxyInstance(
                Kernels.class.getClassLoader(), new Class<?>[] {Kernels.class}, (proxy, method, arguments) -> {
                    note(method, arguments);
                    try {
                        return method.invoke(kernels, arguments);
                    } catch (InvocationTargetException e) {
                        throw e.getCause();
                    }
                });
    }

    /// Runs `body` twice with these kernels, so that copies are made by the first run, and says which products the
    /// second run computed: `attention BF16`, `convolution F32`, `matmul INT8`, ...
    public Set<String> secondRun(Runnable body) {
        return Backend.with(recorded, () -> {
            Scope.run(() -> {
                body.run();
                seen.clear();
                body.run();
                return null;
            });
            return Set.copyOf(seen);
        });
    }

    private void note(Method method, Object[] arguments) {
        switch (method.getName()) {
            case "attention" -> seen.add("attention " + ((Attention) arguments[0]).arithmetic());
            case "convolution" -> seen.add("convolution " + ((Convolution) arguments[0]).arithmetic());
            case "matmul" ->
                seen.add("matmul "
                        + (arguments[1] instanceof PackedMatrix packed
                                ? packed.arithmetic()
                                : arguments.length == 5 ? arguments[4] : Arithmetic.F32));
            default -> {}
        }
    }
}
