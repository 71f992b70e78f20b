package dev.palimpsest.tensor.nn;

import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.PackedFilter;
import dev.palimpsest.tensor.Backend;
import dev.palimpsest.tensor.Recorder;
import dev.palimpsest.tensor.Tensor;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// What a layer convolves with, packed when it is first used and kept in [PackedWeights]: its weight, or what is made
/// of its weight, such as sums of its elements.
public final class PackedFilters {
    private final Function<Tensor, List<Tensor>> made;
    private @Nullable PackedWeights into;
    private volatile @Nullable Entry packed;

    /// The weight itself.
    public PackedFilters() {
        this(List::of);
    }

    /// Filters made of the weight.
    ///
    /// @param made makes them, each `(O, C, kT, kH, kW)`
    public PackedFilters(Function<Tensor, List<Tensor>> made) {
        this.made = made;
    }

    /// Says where the packed filters are kept from the next use on.
    public void packInto(PackedWeights weights) {
        into = weights;
        packed = null;
    }

    /// The packed filters; null to use the weight: if there is no place for them, while a tape records, and while the
    /// layer has another weight than they were made of.
    ///
    /// @param weight the layer's weight
    public @Nullable List<PackedFilter> of(Tensor weight) {
        PackedWeights place = into;
        if (place == null || Recorder.current() != null) {
            return null;
        }
        Entry entry = packed;
        if (entry == null) {
            synchronized (this) {
                entry = packed;
                if (entry == null) {
                    entry = new Entry(place, weight, Backend.kernels(), place.packFilters(weight, made));
                    packed = entry;
                }
            }
        }
        return entry.of(weight);
    }

    private record Entry(
            PackedWeights weights,
            Tensor weight,
            Kernels kernels,
            @Nullable List<PackedFilter> filters) {
        @Nullable
        List<PackedFilter> of(Tensor other) {
            return other == weight && kernels == Backend.kernels() && weights.isOpen() ? filters : null;
        }
    }
}
