package dev.palimpsest.examples;

import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.models.api.LoadOptions;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/// The option that says how a model multiplies matrices.
final class ArithmeticOption {
    @Option(
            names = "--arithmetic",
            paramLabel = "A",
            defaultValue = "f32",
            converter = Converter.class,
            description =
                    "How layers compute: f32; bf16 or int8, faster on processors with instructions for them, and less "
                            + "exact; int8-weight-only, a quarter of the memory. Integers are for the transformer's "
                            + "and the autoencoder's linear layers, bf16 is for everything (default: ${DEFAULT-VALUE}).")
    private Arithmetic arithmetic;

    /// How to open a model.
    LoadOptions load() {
        return LoadOptions.defaults().withArithmetic(arithmetic);
    }

    /// Writes the arithmetic among the settings of a picture, unless it is the exact one.
    void describe(Map<String, String> settings) {
        if (arithmetic != Arithmetic.F32) {
            settings.put("Arithmetic", Converter.label(arithmetic));
        }
    }

    /// Reads an arithmetic as people write it.
    static final class Converter implements ITypeConverter<Arithmetic> {
        @Override
        public Arithmetic convert(String value) {
            return Stream.of(Arithmetic.values())
                    .filter(a -> label(a).equals(value))
                    .findFirst()
                    .orElseThrow(() -> new TypeConversionException("\"" + value + "\" is none of "
                            + Stream.of(Arithmetic.values())
                                    .map(Converter::label)
                                    .collect(Collectors.joining(", "))));
        }

        private static String label(Arithmetic a) {
            return a.name().toLowerCase(Locale.ROOT).replace('_', '-');
        }
    }
}
