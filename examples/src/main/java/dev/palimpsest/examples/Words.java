package dev.palimpsest.examples;

import dev.palimpsest.models.api.Noise;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/// Constants as they are written in options.
final class Words {
    private Words() {}

    /// A constant as it is written in options: `TORCH_CPU` is `torch-cpu`.
    static String of(Enum<?> constant) {
        return constant.name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    /// The constant of a word.
    ///
    /// @throws TypeConversionException naming all words if it is none of them
    static <E extends Enum<E>> E constant(E[] all, String word) {
        for (E constant : all) {
            if (of(constant).equals(word.toLowerCase(Locale.ROOT))) {
                return constant;
            }
        }
        throw new TypeConversionException(
                "'" + word + "' is neither " + Arrays.stream(all).map(Words::of).collect(Collectors.joining(" nor ")));
    }

    /// Reads `torch-cpu` and `torch-cuda`.
    static final class NoiseConverter implements ITypeConverter<Noise> {
        @Override
        public Noise convert(String value) {
            return constant(Noise.values(), value);
        }
    }
}
