package dev.palimpsest.tensor.nn;

import dev.palimpsest.kernels.PackedMatrix;
import dev.palimpsest.tensor.Recorder;
import dev.palimpsest.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/// A layer with one weight matrix `(out, in)`, of which [PackedWeights] may keep a copy in the layout of the kernels.
public abstract class PackableLayer extends Module {
    private @Nullable PackedWeights packing;
    private volatile PackedWeights.@Nullable Entry packed;

    /// For subclasses.
    protected PackableLayer() {}

    /// The copy of the layer's weight, made now if this is the first use; null to use the weight as it is: where no
    /// packed weights are attached or have room, while a tape records, and for another weight than the first one.
    ///
    /// @param weight `(out, in)`, not to be overwritten once it is packed
    protected final @Nullable PackedMatrix packed(Tensor weight) {
        PackedWeights into = packing;
        if (into == null || Recorder.current() != null) {
            return null;
        }
        PackedWeights.Entry entry = packed;
        if (entry == null) {
            synchronized (this) {
                entry = packed;
                if (entry == null) {
                    entry = into.pack(weight);
                    packed = entry;
                }
            }
        }
        return entry.of(weight);
    }

    /// Keeps a packed copy of the weight in there from the next use on.
    @Override
    protected void packInto(PackedWeights weights) {
        packing = weights;
        packed = null;
    }
}
