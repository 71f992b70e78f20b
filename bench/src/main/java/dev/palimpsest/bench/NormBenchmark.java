package dev.palimpsest.bench;

import static dev.palimpsest.kernels.DType.F32;

import dev.palimpsest.bench.Shapes.Conv;
import dev.palimpsest.bench.Shapes.Rows;
import dev.palimpsest.kernels.Activation;
import dev.palimpsest.kernels.Affine;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.NdArray;
import java.lang.foreign.Arena;
import java.util.function.Consumer;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/// Normalisations as the models call them.
public class NormBenchmark extends KernelBenchmark {

    /// Normalisations by where they occur.
    public enum Site {
        /// VINCIE's transformer, factor and term from the time.
        RMS_ADAPTIVE,
        /// Infinity's transformer, the mean taken away, factor and term from the prompt.
        LAYER_ADAPTIVE,
        /// Queries or keys of VINCIE's transformer, head by head.
        RMS_HEADS,
        /// VINCIE's text encoder.
        RMS_TEXT,
        /// Infinity's text encoder.
        RMS_T5,
        /// An autoencoder at full resolution, channels innermost, with SiLU.
        GROUP_128,
        /// An autoencoder at an eighth of the resolution, channels innermost.
        GROUP_512,
        /// As the first, channels first.
        GROUP_128_CHANNELS_FIRST;

        private Consumer<Kernels> prepare(Inputs inputs) {
            return switch (this) {
                case RMS_ADAPTIVE -> {
                    Affine affine = adaptive(inputs, Rows.VINCIE_512);
                    NdArray x = rows(inputs, Rows.VINCIE_512);
                    NdArray out = rows(inputs, Rows.VINCIE_512);
                    yield k -> k.rmsNorm(x, EPS, affine, out);
                }
                case LAYER_ADAPTIVE -> {
                    Affine affine = adaptive(inputs, Rows.INFINITY);
                    NdArray x = rows(inputs, Rows.INFINITY);
                    NdArray out = rows(inputs, Rows.INFINITY);
                    yield k -> k.layerNorm(x, EPS, affine, out);
                }
                case RMS_HEADS -> rms(inputs, Rows.VINCIE_512_HEADS);
                case RMS_TEXT -> rms(inputs, Rows.QWEN);
                case RMS_T5 -> rms(inputs, Rows.T5);
                case GROUP_128 -> group(inputs, Conv.BLOCK_128, true, Activation.SILU);
                case GROUP_512 -> group(inputs, Conv.BLOCK_512_SMALL, true, Activation.NONE);
                case GROUP_128_CHANNELS_FIRST -> group(inputs, Conv.BLOCK_128, false, Activation.SILU);
            };
        }

        private static NdArray rows(Inputs inputs, Rows shape) {
            return inputs.random(F32, shape.rows(), shape.width());
        }

        private static Affine adaptive(Inputs inputs, Rows shape) {
            return Affine.adaptive(inputs.random(F32, 1, shape.width()), inputs.random(F32, 1, shape.width()));
        }

        private static Consumer<Kernels> rms(Inputs inputs, Rows shape) {
            Affine affine = Affine.learned(inputs.random(F32, shape.width()), null);
            NdArray x = rows(inputs, shape);
            NdArray out = rows(inputs, shape);
            return k -> k.rmsNorm(x, EPS, affine, out);
        }

        private static Consumer<Kernels> group(Inputs inputs, Conv layer, boolean last, Activation activation) {
            int channels = layer.input().dim(1);
            int size = layer.input().dim(3);
            NdArray weight = inputs.random(F32, channels);
            NdArray bias = inputs.random(F32, channels);
            NdArray x = picture(inputs, channels, size, last);
            NdArray out = picture(inputs, channels, size, last);
            return k -> k.groupNorm(x, 32, EPS, weight, bias, activation, out);
        }

        private static NdArray picture(Inputs inputs, int channels, int size, boolean last) {
            return last
                    ? inputs.random(F32, 1, size, size, channels).permute(0, 3, 1, 2)
                    : inputs.random(F32, 1, channels, size, size);
        }
    }

    private static final float EPS = 1e-6f;

    /// Which normalisation.
    @Param
    public Site site;

    @Override
    protected Runnable prepare(Kernels provider, Inputs inputs, Arena arena) {
        Consumer<Kernels> call = site.prepare(inputs);
        return () -> call.accept(provider);
    }

    /// One call.
    @Benchmark
    public void norm() {
        call();
    }
}
