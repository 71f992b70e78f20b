package dev.palimpsest.models.infinity;

import java.util.Arrays;
import java.util.stream.Collectors;

/// About how many pixels a picture has; in other words, how many of the thirteen scales are used.
public enum PictureSize {
    /// About 0.06 million pixels, 256 x 256 if square.
    P_0_06M("0.06M", 7),
    /// About 0.25 million pixels, 512 x 512 if square.
    P_0_25M("0.25M", 10),
    /// About 0.6 million pixels, 768 x 768 if square.
    P_0_60M("0.60M", 12),
    /// About a million pixels, 1024 x 1024 if square.
    P_1M("1M", 13);

    private final String label;
    private final int scales;

    PictureSize(String label, int scales) {
        this.label = label;
        this.scales = scales;
    }

    /// The size of a name.
    ///
    /// @param label `0.06M`, `0.25M`, `0.60M` or `1M`
    /// @throws IllegalArgumentException naming all sizes if it is none of them
    public static PictureSize of(String label) {
        return Arrays.stream(values())
                .filter(s -> s.label.equals(label))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("picture size: '" + label + "' is not one of "
                        + Arrays.stream(values()).map(PictureSize::label).collect(Collectors.joining(", "))));
    }

    /// Its name in options and configurations: `0.06M`, `0.25M`, `0.60M` or `1M`.
    public String label() {
        return label;
    }

    /// How many scales a picture of this size has.
    public int scales() {
        return scales;
    }
}
