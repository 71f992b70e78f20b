package dev.palimpsest.tensor.nn;

import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.PackedFilter;
import dev.palimpsest.kernels.PackedMatrix;
import dev.palimpsest.kernels.Quantization;
import dev.palimpsest.tensor.Backend;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// The packed copies of the weights of a model's linear layers and convolutions, and the arithmetic they are
/// multiplied in. Convolutions know f32 and bf16; with integers in place of weights they stay in f32.
///
/// A layer that has been given one packs its weight when it is first used, once for all threads, into memory that
/// lives until [#close]. The copy is as large as the weight in the arithmetic's type ([Arithmetic#F32]: as stored)
/// and, other than pages of a mapped checkpoint, cannot be dropped by the operating system; of the mapped weight
/// nothing has to stay in memory once it is packed. A budget bounds the sum: layers that no longer fit use their
/// weight where it lies, in f32 arithmetic. What is larger or used once only is best left out, see [#attach].
///
/// While a tape records, and while a layer has another weight than the one it was given (a merged adapter), the weight
/// itself is used, in f32 arithmetic. Weights must not be overwritten in place once they are packed.
public final class PackedWeights implements AutoCloseable {
    private final Arithmetic arithmetic;
    private final long budget;
    private final Arena arena = Arena.ofShared();
    private final AtomicLong bytes = new AtomicLong();

    /// @param arithmetic how products are computed
    /// @param budget bytes that all copies may take up together
    /// @throws IllegalArgumentException if the budget is negative
    public PackedWeights(Arithmetic arithmetic, long budget) {
        if (budget < 0) {
            throw new IllegalArgumentException("packed weights: a budget of " + budget + " bytes is negative");
        }
        this.arithmetic = arithmetic;
        this.budget = budget;
    }

    /// How products are computed.
    public Arithmetic arithmetic() {
        return arithmetic;
    }

    /// Bytes that the copies take up at the moment.
    public long bytes() {
        return bytes.get();
    }

    /// Lets all layers of a network that can use packed weights keep them here. Returns this.
    public PackedWeights attach(Module root) {
        root.packInto(this);
        root.children().values().forEach(this::attach);
        return this;
    }

    /// A packed weight and what it was made for.
    ///
    /// @param weights where it is kept
    /// @param weight what it is a copy of
    /// @param kernels whose layout it has
    /// @param matrix null if the weight stays as it is
    record Entry(
            PackedWeights weights,
            Tensor weight,
            Kernels kernels,
            @Nullable PackedMatrix matrix) {
        /// The copy, if it is one of this weight for the kernels in force.
        @Nullable
        PackedMatrix of(Tensor weight) {
            return weight == this.weight
                            && kernels == Backend.kernels()
                            && weights.arena.scope().isAlive()
                    ? matrix
                    : null;
        }
    }

    /// Packs a weight `(out, in)`, unless it does not fit the budget any more.
    Entry pack(Tensor weight) {
        Kernels kernels = Backend.kernels();
        NdArray array = weight.array();
        Arithmetic feasible =
                arithmetic == Arithmetic.INT8 && array.dim(1) > Quantization.MAX_INNER ? Arithmetic.F32 : arithmetic;
        long expected = array.elements() * type(feasible, array.dtype()).bytes();
        long before = bytes.getAndAdd(expected);
        if (!arena.scope().isAlive() || before + expected > budget) {
            bytes.addAndGet(-expected);
            return new Entry(this, weight, kernels, null);
        }
        PackedMatrix matrix = kernels.pack(array.transpose(0, 1), feasible, 0, arena);
        bytes.addAndGet(matrix.bytes() - expected);
        return new Entry(this, weight, kernels, matrix);
    }

    /// Packs what a layer convolves with, unless it does not fit the budget any more.
    @Nullable
    List<PackedFilter> packFilters(Tensor weight, Function<Tensor, List<Tensor>> made) {
        try (Scope scope = Scope.open()) {
            return scope.call(() -> packFilters(made.apply(weight)));
        }
    }

    private @Nullable List<PackedFilter> packFilters(List<Tensor> filters) {
        Kernels kernels = Backend.kernels();
        Arithmetic feasible = arithmetic == Arithmetic.BF16 ? Arithmetic.BF16 : Arithmetic.F32;
        long expected = 0;
        for (Tensor filter : filters) {
            expected += filter.elements() * (feasible == Arithmetic.BF16 ? 2 : 4);
        }
        long before = bytes.getAndAdd(expected);
        if (!isOpen() || before + expected > budget) {
            bytes.addAndGet(-expected);
            return null;
        }
        List<PackedFilter> packed = new ArrayList<>();
        long size = 0;
        for (Tensor filter : filters) {
            packed.add(kernels.packFilter(filter.array(), feasible, arena));
            size += packed.getLast().bytes();
        }
        bytes.addAndGet(size - expected);
        return List.copyOf(packed);
    }

    boolean isOpen() {
        return arena.scope().isAlive();
    }

    private static DType type(Arithmetic arithmetic, DType stored) {
        return switch (arithmetic) {
            case F32 -> stored;
            case BF16 -> DType.BF16;
            case INT8, INT8_WEIGHT_ONLY -> DType.I8;
        };
    }

    /// Gives the memory back. The layers go on with their weights as they are.
    @Override
    public void close() {
        if (arena.scope().isAlive()) {
            arena.close();
        }
        bytes.set(0);
    }
}
