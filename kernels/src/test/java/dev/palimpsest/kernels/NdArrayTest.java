package dev.palimpsest.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.palimpsest.kernels.cases.GuardedArray;
import dev.palimpsest.kernels.cases.TestArrays;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class NdArrayTest {
    /// A naive array: which of the numbered elements of the memory lies at each index.
    private record Model(Shape shape, Map<List<Integer>, Integer> elements) {
        interface Source {
            int[] index(int[] index);
        }

        /// The model of a view whose element at an index is this model's at another one.
        Model view(Shape to, Source source) {
            Map<List<Integer>, Integer> moved = new HashMap<>();
            GuardedArray.forEachIndex(to, i -> moved.put(key(i), elements.get(key(source.index(i.clone())))));
            return new Model(to, moved);
        }

        /// All elements in row-major order.
        List<Integer> inOrder() {
            List<Integer> order = new ArrayList<>();
            GuardedArray.forEachIndex(shape, i -> order.add(elements.get(key(i))));
            return order;
        }

        static List<Integer> key(int[] index) {
            return Arrays.stream(index).boxed().toList();
        }
    }

    private static void agree(NdArray x, Model model) {
        assertThat(x.shape()).isEqualTo(model.shape);
        List<Integer> actual = new ArrayList<>();
        GuardedArray.forEachIndex(x.shape(), i -> actual.add((int) x.getLong(i)));
        assertThat(actual).isEqualTo(model.inOrder());
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20})
    void chainsOfViewsAgreeWithANaiveModel(long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        for (int trial = 0; trial < 50; trial++) {
            int[] dims = random.ints(random.nextInt(0, 5), 0, 5).toArray();
            NdArray x = TestArrays.zeros(DType.I32, dims);
            Map<List<Integer>, Integer> elements = new HashMap<>();
            GuardedArray.forEachIndex(x.shape(), i -> {
                x.set(elements.size(), i);
                elements.put(Model.key(i), elements.size());
            });
            follow(random, x, new Model(x.shape(), elements));
        }
    }

    /// Takes views of views at random.
    private static void follow(SplittableRandom random, NdArray start, Model startModel) {
        NdArray x = start;
        Model model = startModel;
        for (int step = 0; step < 8; step++) {
            Shape shape = x.shape();
            int rank = shape.rank();
            int axis = rank == 0 ? 0 : random.nextInt(rank);
            int spelled = rank > 0 && random.nextBoolean() ? axis - rank : axis;
            int n = rank == 0 ? 0 : shape.dim(axis);
            switch (rank == 0 ? 6 : random.nextInt(8)) {
                case 0 -> {
                    int[] order = shuffled(random, rank);
                    x = x.permute(order);
                    model = model.view(
                            Shape.of(Arrays.stream(order).map(shape::dim).toArray()), i -> {
                                int[] from = new int[rank];
                                for (int k = 0; k < rank; k++) {
                                    from[order[k]] = i[k];
                                }
                                return from;
                            });
                }
                case 1 -> {
                    int from = random.nextInt(n + 1);
                    int to = random.nextInt(from, n + 1);
                    x = x.slice(spelled, from, to);
                    model = model.view(shape.with(axis, to - from), i -> added(i, axis, from));
                }
                case 2 -> {
                    int from = random.nextInt(n + 1);
                    int every = random.nextInt(1, 4);
                    x = x.every(spelled, from, every);
                    model = model.view(shape.with(axis, (n - from + every - 1) / every), i -> {
                        i[axis] = from + i[axis] * every;
                        return i;
                    });
                }
                case 3 -> {
                    if (n > 0) {
                        int at = random.nextInt(n);
                        x = x.select(spelled, at);
                        model = model.view(shape.remove(axis), i -> inserted(i, axis, at));
                    }
                }
                case 4 -> {
                    int other = random.nextInt(rank);
                    int[] order = new int[rank];
                    Arrays.setAll(order, k -> k == axis ? other : k == other ? axis : k);
                    x = x.transpose(spelled, other);
                    model = model.view(
                            Shape.of(Arrays.stream(order).map(shape::dim).toArray()), i -> {
                                int swapped = i[axis];
                                i[axis] = i[other];
                                i[other] = swapped;
                                return i;
                            });
                }
                case 5 -> {
                    if (n == 1) {
                        int wide = random.nextInt(4);
                        x = x.expand(shape.with(axis, wide));
                        model = model.view(shape.with(axis, wide), i -> {
                            i[axis] = 0;
                            return i;
                        });
                    }
                }
                case 6 -> {
                    int at = random.nextInt(rank + 1);
                    x = x.unsqueeze(random.nextBoolean() ? at : at - rank - 1);
                    model = model.view(shape.unsqueeze(at), i -> removed(i, at));
                }
                default -> {
                    Shape to = regrouped(random, shape);
                    boolean dense = x.isContiguous();
                    if (x.canReshape(to)) {
                        x = x.reshape(to);
                        List<Integer> order = model.inOrder();
                        Map<List<Integer>, Integer> same = new HashMap<>();
                        GuardedArray.forEachIndex(to, i -> same.put(Model.key(i), order.get(same.size())));
                        model = new Model(to, same);
                    } else {
                        assertThat(dense).isFalse();
                    }
                }
            }
            agree(x, model);
            if (x.isContiguous() && x.elements() > 0) {
                List<Integer> order = model.inOrder();
                for (int i = 0; i < order.size(); i++) {
                    NdArray flat = NdArray.of(x.memory(), DType.I32, Shape.of(1), new long[] {1}, x.offset() + i);
                    assertThat(flat.getLong(0)).isEqualTo(order.get(i).longValue());
                }
            }
        }
    }

    private static int[] shuffled(SplittableRandom random, int n) {
        int[] order = new int[n];
        for (int i = 0; i < n; i++) {
            int j = random.nextInt(i + 1);
            order[i] = order[j];
            order[j] = i;
        }
        return order;
    }

    private static int[] added(int[] index, int axis, int offset) {
        index[axis] += offset;
        return index;
    }

    private static int[] inserted(int[] index, int axis, int value) {
        int[] longer = new int[index.length + 1];
        for (int i = 0; i < longer.length; i++) {
            longer[i] = i < axis ? index[i] : i == axis ? value : index[i - 1];
        }
        return longer;
    }

    private static int[] removed(int[] index, int axis) {
        int[] shorter = new int[index.length - 1];
        for (int i = 0; i < shorter.length; i++) {
            shorter[i] = index[i < axis ? i : i + 1];
        }
        return shorter;
    }

    /// Another shape of as many elements: all in one axis, or split where a factor allows.
    private static Shape regrouped(SplittableRandom random, Shape shape) {
        long n = shape.elements();
        List<Integer> dims = new ArrayList<>();
        while (n > 1 && dims.size() < 4) {
            int factor = 1;
            for (int f : new int[] {2, 3, 4, 5}) {
                if (n % f == 0 && random.nextBoolean()) {
                    factor = f;
                }
            }
            dims.add(factor);
            n /= factor;
        }
        dims.add(Math.toIntExact(n));
        return Shape.of(dims.stream().mapToInt(d -> d).toArray());
    }

    @Test
    void reshapesWithoutACopyExactlyWhenAxesLieBehindEachOther() {
        NdArray x = TestArrays.zeros(2, 3, 4);

        assertThat(x.canReshape(Shape.of(6, 4))).isTrue();
        assertThat(x.slice(2, 0, 3).canReshape(Shape.of(6, 3))).isTrue();
        assertThat(x.slice(1, 0, 2).canReshape(Shape.of(4, 4))).isFalse();
        assertThat(x.slice(1, 0, 2).canReshape(Shape.of(2, 8))).isTrue();
        assertThat(x.transpose(0, 1).canReshape(Shape.of(6, 4))).isFalse();
        assertThat(x.transpose(0, 1).canReshape(Shape.of(3, 2, 2, 2))).isTrue();
        assertThat(x.slice(0, 0, 1).expand(Shape.of(5, 3, 4)).canReshape(Shape.of(5, 12)))
                .isTrue();
        assertThat(x.slice(0, 0, 1).expand(Shape.of(5, 3, 4)).canReshape(Shape.of(15, 4)))
                .isFalse();
        assertThatThrownBy(() -> x.transpose(0, 1).reshape(Shape.of(24)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("reshape: (3, 2, 4) with strides [4, 12, 1] cannot be seen as (24) without a copy");
        assertThatThrownBy(() -> x.reshape(Shape.of(23)))
                .hasMessage("reshape: (2, 3, 4) with strides [12, 4, 1] cannot be seen as (23)");
    }

    @Test
    void knowsWhetherItIsDense() {
        NdArray x = TestArrays.zeros(2, 3, 4);

        assertThat(x.isContiguous()).isTrue();
        assertThat(x.slice(0, 1, 2).isContiguous()).isTrue();
        assertThat(x.slice(1, 0, 2).isContiguous()).isFalse();
        assertThat(x.slice(1, 0, 2).isContiguousFrom(1)).isTrue();
        assertThat(x.slice(1, 1, 2).transpose(0, 1).isContiguous())
                .as("an axis of extent 1 does not matter, but (2, 4) rows are 12 apart")
                .isFalse();
        assertThat(x.transpose(0, 1).isContiguousFrom(2)).isTrue();
        assertThat(x.slice(1, 2, 2).isContiguous())
                .as("an empty array is dense")
                .isTrue();
        assertThat(TestArrays.zeros().isContiguous()).isTrue();
    }

    @Test
    void writesThroughViewsIntoTheSameMemory() {
        NdArray x = TestArrays.zeros(2, 3);

        x.transpose(0, 1).select(0, 2).set(7, 1);

        assertThat(TestArrays.elements(x)).containsExactly(0, 0, 0, 0, 0, 7);
        assertThat(x.select(0, 1).byteOffset(2)).isEqualTo(20);
        assertThat(x.select(0, 1).byteOffset()).isEqualTo(12);
    }

    @Test
    void readsTheSameBytesAsAnotherType() {
        NdArray x = TestArrays.row(1, -2);

        assertThat(x.reinterpret(DType.U32).getLong(0)).isEqualTo(0x3f800000);
        assertThat(x.reinterpret(DType.I32).getLong(1)).isEqualTo(0xc0000000);
        assertThatThrownBy(() -> x.reinterpret(DType.F16))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("reinterpret: f32 and f16 have different sizes");
    }

    @Test
    void describesItself() {
        NdArray x = TestArrays.zeros(DType.BF16, 2, 3);

        assertThat(x).hasToString("bf16(2, 3)");
        assertThat(x.transpose(0, 1)).hasToString("bf16(3, 2) strides [1, 3]");
    }

    @Test
    void refusesMemoryThatDoesNotFit() {
        MemorySegment memory = Arena.ofAuto().allocate(24);
        Shape shape = Shape.of(2, 3);

        assertThatThrownBy(() -> NdArray.of(MemorySegment.ofArray(new float[6]), DType.F32, shape))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("array (2, 3): memory is a Java array; kernels need native memory");
        assertThatThrownBy(() -> NdArray.of(memory, DType.F64, shape))
                .hasMessage("array (2, 3) of f64 needs 48 bytes but the memory holds 24");
        assertThatThrownBy(() -> NdArray.of(memory, DType.F32, shape, new long[] {3, 1}, 1))
                .hasMessage("array (2, 3) of f32 needs 28 bytes but the memory holds 24");
        assertThatThrownBy(() -> NdArray.of(memory, DType.F32, shape, new long[] {1}, 0))
                .hasMessage("array (2, 3) has 1 strides");
        assertThatThrownBy(() -> NdArray.of(memory, DType.F32, shape, new long[] {-3, 1}, 3))
                .hasMessage("array (2, 3): strides [-3, 1] contain a negative one");
        assertThatThrownBy(() -> NdArray.of(memory, DType.F32, shape, new long[] {3, 1}, -1))
                .hasMessage("array (2, 3): offset -1 is negative");
        assertThatThrownBy(() -> NdArray.of(memory, DType.F32, shape, new long[] {Long.MAX_VALUE, 1}, 3))
                .isInstanceOf(ArithmeticException.class);
        assertThat(NdArray.of(memory, DType.F32, Shape.of(0, 9), new long[] {9, 1}, 100)
                        .elements())
                .as("an empty array fits anywhere")
                .isZero();
    }

    @Test
    void refusesViewsThatDoNotExist() {
        NdArray x = TestArrays.zeros(2, 3);

        assertThatThrownBy(() -> x.slice(1, 2, 4))
                .isInstanceOf(IndexOutOfBoundsException.class)
                .hasMessage("slice: [2, 4) of axis 1 does not lie within (2, 3)");
        assertThatThrownBy(() -> x.slice(1, 2, 1)).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> x.select(0, 2))
                .isInstanceOf(IndexOutOfBoundsException.class)
                .hasMessage("select: index 2 of axis 0 of (2, 3)");
        assertThatThrownBy(() -> x.every(0, 0, 0))
                .isInstanceOf(IndexOutOfBoundsException.class)
                .hasMessage("every: from 0 with step 0 does not fit axis 0 of (2, 3)");
        assertThatThrownBy(() -> x.permute(0, 0))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("permute: [0, 0] is not an order of the axes of (2, 3)");
        assertThatThrownBy(() -> x.permute(0)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> x.permute()).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> x.squeeze(0))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("squeeze: axis 0 of (2, 3) is not 1");
        assertThatThrownBy(() -> x.expand(Shape.of(4, 3)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("expand: (2, 3) does not stretch to (4, 3)");
        assertThatThrownBy(() -> x.expand(Shape.of(3)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("expand: (2, 3) does not stretch to (3)");
        assertThatThrownBy(() -> x.get(0, 3)).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> x.get(0)).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> x.get(-1, 0)).isInstanceOf(IndexOutOfBoundsException.class);
    }
}
