package dev.palimpsest.kernels.cases;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// Every op over awkward sizes (nothing, one, primes, vector lengths and their neighbours, one past a block), layouts,
/// broadcasts and element types.
public final class OpCases {
    private OpCases() {}

    /// All cases, each once: families overlap, and a case's name says everything about it.
    public static List<OpCase> all() {
        return Stream.of(
                        MatmulCases.all(),
                        PackedCases.all(),
                        ConvolutionCases.all(),
                        AttentionCases.all(),
                        NormCases.all(),
                        ElementwiseCases.all(),
                        ReductionCases.all(),
                        MovementCases.all(),
                        ImageCases.all(),
                        RopeCases.all())
                .flatMap(List::stream)
                .collect(Collectors.toMap(OpCase::toString, c -> c, (first, same) -> first, LinkedHashMap::new))
                .values()
                .stream()
                .toList();
    }

    /// The cases of one op, by the name of its method.
    public static List<OpCase> of(String op) {
        return all().stream().filter(c -> c.op().equals(op)).toList();
    }
}
