package dev.palimpsest.kernels.vector;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Parallel;
import dev.palimpsest.kernels.Shape;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.Test;

class LoopNestTest {
    @Test
    void mergesAxesThatLieBehindEachOther() {
        try (Arena arena = Arena.ofConfined()) {
            NdArray a = array(arena, 4, 1, 5, 6);
            LoopNest nest = LoopNest.over(a, a);

            assertThat(nest.rank()).isEqualTo(1);
            assertThat(nest.inner()).isEqualTo(120);
            assertThat(nest.innerStride(1)).isEqualTo(1);
        }
    }

    @Test
    void walksChannelsLastArraysChannelsLast() {
        try (Arena arena = Arena.ofConfined()) {
            NdArray a = array(arena, 2, 5, 6, 3).permute(0, 3, 1, 2);
            LoopNest nest = LoopNest.over(a, a);

            assertThat(nest.rank()).isEqualTo(1);
            assertThat(nest.innerStride(0)).isEqualTo(1);
        }
    }

    @Test
    void keepsRowsWhereOneArrayRepeatsThem() {
        try (Arena arena = Arena.ofConfined()) {
            NdArray a = array(arena, 4, 5, 6);
            NdArray row = array(arena, 6).expand(a.shape());
            NdArray column = array(arena, 4, 1, 1).expand(a.shape());

            LoopNest rows = LoopNest.over(a, row);
            assertThat(rows.rows()).isEqualTo(20);
            assertThat(rows.inner()).isEqualTo(6);

            LoopNest columns = LoopNest.over(a, column);
            assertThat(columns.rows()).isEqualTo(4);
            assertThat(columns.inner()).isEqualTo(30);
            assertThat(columns.innerStride(1)).isZero();
        }
    }

    @Test
    void aSingleElementIsARowOfOne() {
        try (Arena arena = Arena.ofConfined()) {
            LoopNest nest = LoopNest.over(array(arena, 1, 1));

            assertThat(nest.rows()).isEqualTo(1);
            assertThat(nest.inner()).isEqualTo(1);
        }
    }

    @Test
    void nothingRunsForAnEmptyArray() {
        try (Arena arena = Arena.ofShared();
                Parallel parallel = new Parallel(2)) {
            for (int[] d : new int[][] {{0}, {3, 0}, {0, 4}}) {
                LoopNest.over(array(arena, d)).forEach(parallel, 8, () -> (at, n) -> {
                    throw new AssertionError("a piece of " + n);
                });
            }
        }
    }

    /// Every element is visited once, and at the same time as its partner in the other array, for any layout, chunk and
    /// number
    /// of threads.
    @Test
    void visitsEveryElementOnceWithItsPartner() {
        Random random = new Random(7);
        try (Arena arena = Arena.ofShared();
                Parallel parallel = new Parallel(3)) {
            for (int trial = 0; trial < 200; trial++) {
                int rank = 1 + random.nextInt(4);
                int[] d = new int[rank];
                for (int i = 0; i < rank; i++) {
                    d[i] = 1 + random.nextInt(6);
                }
                NdArray a = permuted(arena, random, d);
                NdArray b = permuted(arena, random, d);
                long size = a.elements();
                AtomicIntegerArray visits = new AtomicIntegerArray((int) size);
                LoopNest nest = LoopNest.over(a, b);
                nest.forEach(parallel, 1 + random.nextInt(9), 1 + random.nextInt(40_000), () -> (at, n) -> {
                    for (int i = 0; i < n; i++) {
                        long x = at[0] + i * nest.innerStride(0);
                        long y = at[1] + i * nest.innerStride(1);
                        assertThat(number(a, x)).isEqualTo(number(b, y));
                        visits.incrementAndGet((int) number(a, x));
                    }
                });
                for (int i = 0; i < size; i++) {
                    assertThat(visits.get(i))
                            .as("visits of element %d of %s", i, a)
                            .isEqualTo(1);
                }
            }
        }
    }

    private static double number(NdArray a, long element) {
        return a.memory().get(JAVA_FLOAT_UNALIGNED, 4 * element);
    }

    /// An array whose elements are numbered in logical order and lie in any order.
    private static NdArray permuted(Arena arena, Random random, int[] d) {
        List<Integer> order = new ArrayList<>();
        for (int i = 0; i < d.length; i++) {
            order.add(i);
        }
        Collections.shuffle(order, random);
        int[] stored = new int[d.length];
        int[] back = new int[d.length];
        for (int i = 0; i < d.length; i++) {
            stored[i] = d[order.get(i)];
            back[order.get(i)] = i;
        }
        NdArray a = array(arena, stored).permute(back);
        int[] index = new int[d.length];
        for (int n = 0; n < a.elements(); n++) {
            int rest = n;
            for (int i = d.length - 1; i >= 0; i--) {
                index[i] = rest % d[i];
                rest /= d[i];
            }
            a.set(n, index);
        }
        return a;
    }

    private static NdArray array(Arena arena, int... d) {
        Shape shape = Shape.of(d);
        return NdArray.of(arena.allocate(4 * shape.elements(), 4), DType.F32, shape);
    }
}
