package dev.palimpsest.models.infinity;

import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/// What becomes of the learned biases of queries and values, `q_bias` and `v_bias`, which the original and its editing
/// fork treat differently. Both come with the same checkpoint.
public enum BiasMode {
    /// They are added, as Infinity was trained. For pictures from text.
    ORIGINAL,
    /// They are left out everywhere, as EditInfinity does. What was learned by its inversion fits this only.
    EDITINFINITY;

    /// The mode of a name in a configuration: `original` or `editinfinity`.
    ///
    /// @throws IllegalArgumentException naming both if it is neither of them
    public static BiasMode of(String label) {
        return Arrays.stream(values())
                .filter(mode -> mode.label().equals(label))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("bias mode: '" + label + "' is not one of "
                        + Arrays.stream(values()).map(BiasMode::label).collect(Collectors.joining(", "))));
    }

    /// Its name in configurations.
    public String label() {
        return name().toLowerCase(Locale.ROOT);
    }
}
