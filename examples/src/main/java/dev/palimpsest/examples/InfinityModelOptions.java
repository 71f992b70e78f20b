package dev.palimpsest.examples;

import dev.palimpsest.models.api.Noise;
import dev.palimpsest.models.infinity.BiasMode;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;

/// The options that all commands with Infinity share: which model, and where random numbers come from.
class InfinityModelOptions {
    @Option(
            names = "--model",
            paramLabel = "DIR",
            required = true,
            description = "Folder with infinity_2b_reg.pth, infinity_vae_d32reg.pth, flan-t5-xl/ and perhaps "
                    + "config.json, which may name other files.")
    Path model;

    @Option(
            names = "--seed",
            paramLabel = "N",
            description = "Where random numbers start; the same seed gives the same picture.")
    @Nullable
    Long seed;

    @Option(
            names = "--noise",
            paramLabel = "SOURCE",
            converter = Words.NoiseConverter.class,
            description = "Whose random numbers: torch-cpu or torch-cuda.")
    @Nullable
    Noise noise;

    @Option(
            names = "--bias-mode",
            paramLabel = "MODE",
            converter = BiasModeConverter.class,
            description = "original adds the biases of queries and values as Infinity does, editinfinity leaves them "
                    + "out as EditInfinity does.")
    @Nullable
    BiasMode biases;

    @Option(names = "--json", description = "Write JSON.")
    boolean json;

    /// Reads `original` and `editinfinity`.
    static final class BiasModeConverter implements ITypeConverter<BiasMode> {
        @Override
        public BiasMode convert(String value) {
            return Words.constant(BiasMode.values(), value);
        }
    }
}
