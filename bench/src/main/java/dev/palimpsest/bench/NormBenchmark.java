package dev.palimpsest.bench;

import static dev.palimpsest.kernels.DType.F32;

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
        /// VINCIE's transformer: two frames of 1024 tokens, width 2560, factor and term from the time.
        RMS_ADAPTIVE,
        /// The same with the mean taken away, as in Infinity's transformer.
        LAYER_ADAPTIVE,
        /// Queries or keys of VINCIE's transformer: 20 heads of 128 for each token.
        RMS_HEADS,
        /// VINCIE's text encoder: 150 tokens of width 5120.
        RMS_TEXT,
        /// An autoencoder at full resolution, channels innermost, with SiLU.
        GROUP_128,
        /// An autoencoder at an eighth of the resolution, channels innermost.
        GROUP_512,
        /// As the first, channels first.
        GROUP_128_CHANNELS_FIRST;

        private Consumer<Kernels> prepare(Inputs inputs) {
            return switch (this) {
                case RMS_ADAPTIVE -> {
                    Affine affine = Affine.adaptive(inputs.random(F32, 1, 2560), inputs.random(F32, 1, 2560));
                    NdArray x = inputs.random(F32, 2048, 2560);
                    NdArray out = inputs.random(F32, 2048, 2560);
                    yield k -> k.rmsNorm(x, EPS, affine, out);
                }
                case LAYER_ADAPTIVE -> {
                    Affine affine = Affine.adaptive(inputs.random(F32, 1, 2560), inputs.random(F32, 1, 2560));
                    NdArray x = inputs.random(F32, 2048, 2560);
                    NdArray out = inputs.random(F32, 2048, 2560);
                    yield k -> k.layerNorm(x, EPS, affine, out);
                }
                case RMS_HEADS -> rms(inputs, 2048 * 20, 128);
                case RMS_TEXT -> rms(inputs, 150, 5120);
                case GROUP_128 -> group(inputs, 128, 256, true, Activation.SILU);
                case GROUP_512 -> group(inputs, 512, 32, true, Activation.NONE);
                case GROUP_128_CHANNELS_FIRST -> group(inputs, 128, 256, false, Activation.SILU);
            };
        }

        private static Consumer<Kernels> rms(Inputs inputs, int rows, int width) {
            Affine affine = Affine.learned(inputs.random(F32, width), null);
            NdArray x = inputs.random(F32, rows, width);
            NdArray out = inputs.random(F32, rows, width);
            return k -> k.rmsNorm(x, EPS, affine, out);
        }

        private static Consumer<Kernels> group(
                Inputs inputs, int channels, int size, boolean last, Activation activation) {
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
