package dev.palimpsest.tensor.nn;

import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.PackedFilter;
import dev.palimpsest.kernels.PackedMatrix;
import dev.palimpsest.kernels.Quantization;
import dev.palimpsest.tensor.Backend;
import dev.palimpsest.tensor.Multiplication;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// The arithmetic that a model computes in, and the packed copies of the weights of its linear layers and convolutions.
/// Convolutions and attention know f32 and bf16; with integers in place of weights they stay in f32.
///
/// A layer that has been given one packs its weight when it is first used, once for all threads, into memory that
/// lives until [#close]. The copy is as large as the weight in the arithmetic's type ([Arithmetic#F32]: as stored)
/// and, other than pages of a mapped checkpoint, cannot be dropped by the operating system; of the mapped weight
/// nothing has to stay in memory once it is packed.
///
/// A budget bounds the sum. Layers that find no room compute in the same arithmetic, but pack their weight in passing
/// for every product. That is slower, by a tenth for 150 rows in f32 or bf16, and the right thing for what runs once
/// for an input, such as a text encoder: give it packed weights without any room. A copy would cost as much time as it
/// saves the first time, and as much memory as the weights, until the next time.
///
/// While a tape records, weights are used as they are, in f32 arithmetic. A layer that has another weight than the one
/// it was given (a merged adapter) packs that in passing. Weights must not be overwritten in place once they are
/// packed.
public final class PackedWeights implements AutoCloseable {
    private final Arithmetic arithmetic;
    private final long budget;
    private final Consumer<MemorySegment> copied;
    private final Arena arena = Arena.ofShared();
    private final AtomicLong bytes = new AtomicLong();

    /// @param arithmetic how products are computed
    /// @param budget bytes that all copies may take up together; 0 to keep none
    /// @throws IllegalArgumentException if the budget is negative
    public PackedWeights(Arithmetic arithmetic, long budget) {
        this(arithmetic, budget, memory -> {});
    }

    /// @param arithmetic how products are computed
    /// @param budget bytes that all copies may take up together; 0 to keep none
    /// @param copied gets the memory of every weight of which a copy is kept, as soon as there is one: it will not be
    ///     read again, unless a tape records
    /// @throws IllegalArgumentException if the budget is negative
    public PackedWeights(Arithmetic arithmetic, long budget, Consumer<MemorySegment> copied) {
        if (budget < 0) {
            throw new IllegalArgumentException("packed weights: a budget of " + budget + " bytes is negative");
        }
        this.arithmetic = arithmetic;
        this.budget = budget;
        this.copied = copied;
    }

    /// How products are computed.
    public Arithmetic arithmetic() {
        return arithmetic;
    }

    /// Bytes that the copies take up at the moment.
    public long bytes() {
        return bytes.get();
    }

    /// Lets all layers of a network compute in this arithmetic, and those that can use packed weights keep them here.
    /// Returns this.
    public PackedWeights attach(Module root) {
        root.attach(this);
        root.children().values().forEach(this::attach);
        return this;
    }

    /// A packed weight and what it was made for.
    ///
    /// @param weight what it is a copy of
    /// @param kernels whose layout it has
    /// @param matrix null if the weight stays as it is
    record Entry(Tensor weight, Kernels kernels, @Nullable PackedMatrix matrix) {}

    /// How to multiply by a weight.
    ///
    /// @param entry the layer's packed weight, which may be that of another weight or for other kernels
    Multiplication multiplication(Tensor weight, Entry entry) {
        PackedMatrix matrix = entry.weight == weight && entry.kernels == Backend.kernels() ? entry.matrix : null;
        return matrix == null ? new Multiplication(feasible(weight), null) : Multiplication.by(matrix);
    }

    /// The arithmetic, unless sums over this weight's rows are too long for it.
    private Arithmetic feasible(Tensor weight) {
        return arithmetic == Arithmetic.INT8 && weight.dim(1) > Quantization.MAX_INNER ? Arithmetic.F32 : arithmetic;
    }

    /// Packs a weight `(out, in)`, unless it does not fit the budget any more.
    Entry pack(Tensor weight) {
        Kernels kernels = Backend.kernels();
        NdArray array = weight.array();
        Arithmetic feasible = feasible(weight);
        long expected = array.elements() * type(feasible, array.dtype()).bytes();
        if (!reserve(expected)) {
            return new Entry(weight, kernels, null);
        }
        PackedMatrix matrix = kernels.pack(array.transpose(0, 1), feasible, 0, arena);
        bytes.addAndGet(matrix.bytes() - expected);
        copied.accept(array.memory());
        return new Entry(weight, kernels, matrix);
    }

    /// Packs what a layer convolves with, unless it does not fit the budget any more.
    @Nullable
    List<PackedFilter> packFilters(Tensor weight, Function<Tensor, List<Tensor>> made) {
        List<PackedFilter> packed;
        try (Scope scope = Scope.open()) {
            packed = scope.call(() -> packFilters(made.apply(weight)));
        }
        if (packed != null) {
            copied.accept(weight.array().memory());
        }
        return packed;
    }

    private @Nullable List<PackedFilter> packFilters(List<Tensor> filters) {
        Kernels kernels = Backend.kernels();
        Arithmetic feasible = arithmetic == Arithmetic.BF16 ? Arithmetic.BF16 : Arithmetic.F32;
        long expected = 0;
        for (Tensor filter : filters) {
            expected += filter.elements() * (feasible == Arithmetic.BF16 ? 2 : 4);
        }
        if (!reserve(expected)) {
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

    private boolean reserve(long expected) {
        if (!isOpen()) {
            return false;
        }
        boolean fits = bytes.addAndGet(expected) <= budget;
        if (!fits) {
            bytes.addAndGet(-expected);
        }
        return fits;
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

    /// Gives the memory back. The layers go on with their weights as they are, in f32.
    @Override
    public void close() {
        if (arena.scope().isAlive()) {
            arena.close();
        }
        bytes.set(0);
    }
}
