package dev.palimpsest.tensor.nn;

import dev.palimpsest.tensor.Multiplication;
import dev.palimpsest.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/// A layer with one weight matrix `(out, in)`, of which [PackedWeights] may keep a copy in the layout of the kernels.
public abstract class PackableLayer extends Module {
    private volatile PackedWeights.@Nullable Entry packed;

    /// For subclasses.
    protected PackableLayer() {}

    /// How to multiply by the layer's weight: in the arithmetic of the packed weights that the layer is attached to, by
    /// the copy that they keep, which is made now if this is the first use. Plainly by the weight itself if it is not
    /// attached, and while a tape records; and for another weight than the first one without a copy.
    ///
    /// @param weight `(out, in)`, not to be overwritten once it is packed
    protected final Multiplication multiplication(Tensor weight) {
        PackedWeights into = attached();
        if (into == null) {
            return Multiplication.PLAIN;
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
        return into.multiplication(weight, entry);
    }

    /// Keeps a packed copy of the weight in there from the next use on.
    @Override
    protected void packInto(PackedWeights weights) {
        packed = null;
    }
}
