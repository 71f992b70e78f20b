package dev.palimpsest.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.palimpsest.kernels.Activation;
import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.Convolution;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Interpolation;
import dev.palimpsest.kernels.KeyRanges;
import dev.palimpsest.kernels.RopeLayout;
import dev.palimpsest.kernels.Shape;
import java.util.List;
import org.junit.jupiter.api.Test;

class TensorTest {
    private static void scoped(Runnable body) {
        Scope.run(() -> {
            body.run();
            return null;
        });
    }

    private static Tensor counting(int... dims) {
        float[] v = new float[Math.toIntExact(Shape.of(dims).elements())];
        for (int i = 0; i < v.length; i++) {
            v[i] = i;
        }
        return Tensor.of(v, dims);
    }

    @Test
    void reshapesWithoutACopyWhereStridesAllow() {
        scoped(() -> {
            Tensor x = counting(2, 3, 4);
            assertThat(x.reshape(6, -1).storage()).isSameAs(x.storage());
            assertThat(x.transpose(1, 2).reshape(2, 12).toFloatArray())
                    .startsWith(0, 4, 8, 1, 5, 9)
                    .hasSize(24);
            assertThat(x.flatten(0, 1).shape()).isEqualTo(Shape.of(6, 4));
            assertThat(x.flatten(1, -1).shape()).isEqualTo(Shape.of(2, 12));
        });
    }

    @Test
    void reshapeSaysWhatDoesNotFit() {
        scoped(() -> {
            Tensor x = counting(2, 3);
            assertThatThrownBy(() -> x.reshape(4, 2)).hasMessage("reshape: (2, 3) has 6 elements, (4, 2) has 8");
            assertThatThrownBy(() -> x.reshape(4, -1)).hasMessageStartingWith("reshape: (2, 3) cannot be seen as");
            assertThatThrownBy(() -> x.reshape(-1, -1)).hasMessageContaining("two extents open");
        });
    }

    @Test
    void splitsConcatenatesAndStacks() {
        scoped(() -> {
            Tensor x = counting(2, 5);
            List<Tensor> parts = x.split(1, 2, 3);
            assertThat(parts.get(1).toFloatArray()).containsExactly(2, 3, 4, 7, 8, 9);
            assertThat(Tensor.concat(parts, 1).toFloatArray()).isEqualTo(x.toFloatArray());
            assertThat(Tensor.stack(List.of(x, x), 1).shape()).isEqualTo(Shape.of(2, 2, 5));
            assertThatThrownBy(() -> x.split(1, 2, 2)).hasMessageContaining("do not add up");
            assertThatThrownBy(() -> Tensor.concat(List.of(x, counting(3, 4)), 0))
                    .hasMessageStartingWith("concat:");
        });
    }

    @Test
    void arithmeticBroadcastsAndWidens() {
        scoped(() -> {
            Tensor a = counting(2, 3);
            Tensor row = Tensor.of(new float[] {10, 20, 30}, 3);
            assertThat(a.add(row).toFloatArray()).containsExactly(10, 21, 32, 13, 24, 35);
            assertThat(a.to(DType.BF16).mul(2.0).dtype()).isEqualTo(DType.F32);
            assertThat(a.sub(1.0).neg().clamp(-2, 0.5).toFloatArray()).containsExactly(0.5f, -0f, -1, -2, -2, -2);
            assertThat(Tensor.of(new long[] {1, 2})
                            .add(Tensor.of(new long[] {5, 6}))
                            .toLongArray())
                    .containsExactly(6, 8);
            assertThatThrownBy(() -> a.add(Tensor.of(new long[] {1})))
                    .hasMessage("add: f32 and i64 do not mix; convert one of them with to(...)");
            assertThatThrownBy(() -> a.add(counting(2)))
                    .hasMessage("add: (2, 3) and (2): extents 3 and 2 differ and neither is 1");
        });
    }

    @Test
    void comparesAndSelects() {
        scoped(() -> {
            Tensor a = counting(4);
            Tensor two = Tensor.scalar(2);
            assertThat(a.lt(two).toLongArray()).containsExactly(1, 1, 0, 0);
            assertThat(a.le(two).where(a, a.neg()).toFloatArray()).containsExactly(0, 1, 2, -3);
            assertThat(a.eq(two).dtype()).isEqualTo(DType.BOOL);
        });
    }

    @Test
    void reducesAxes() {
        scoped(() -> {
            Tensor x = counting(2, 3);
            assertThat(x.sum().item()).isEqualTo(15);
            assertThat(x.mean(1).toFloatArray()).containsExactly(1, 4);
            assertThat(x.max(0).shape()).isEqualTo(Shape.of(1, 3));
            assertThat(x.argmax().toLongArray()).containsExactly(2, 2);
            assertThat(x.std(1, 1).toFloatArray()).containsExactly(1, 1);
        });
    }

    @Test
    void multipliesMatricesWithBroadcastBatches() {
        scoped(() -> {
            Tensor a = counting(2, 1, 2, 3);
            Tensor b = counting(4, 3, 2);
            Tensor c = a.matmul(b);
            assertThat(c.shape()).isEqualTo(Shape.of(2, 4, 2, 2));
            assertThat(c.get(1, 2, 0, 1)).isEqualTo(6 * 13 + 7 * 15 + 8 * 17);
            assertThatThrownBy(() -> counting(2, 3).matmul(counting(4, 5)))
                    .hasMessage("matmul: (2, 3) x (4, 5): inner dimensions 3 and 4 differ");
        });
    }

    @Test
    void linearFusesWhatFollowsIt() {
        scoped(() -> {
            Tensor x = counting(2, 2, 3);
            Tensor w = counting(4, 3).mul(0.1);
            Tensor b = counting(4);
            Tensor gate = counting(4).add(1.0);
            Tensor plain = x.matmul(w.transpose(0, 1)).add(b);
            float[] expected = x.matmul(w.transpose(0, 1))
                    .add(b)
                    .silu()
                    .mul(gate)
                    .add(plain)
                    .toFloatArray();
            float[] fused =
                    Functional.linear(x, w, b, Activation.SILU, gate, plain).toFloatArray();
            assertThat(fused).containsExactly(expected, within(1e-4f));
            assertThatThrownBy(() -> Functional.linear(x, counting(4, 2), null))
                    .hasMessageStartingWith("linear: input (2, 2, 3) does not fit weight (4, 2)");
        });
    }

    @Test
    void convolutionGivesChannelsInnermost() {
        scoped(() -> {
            Tensor x = counting(1, 2, 1, 4, 4);
            Tensor w = Tensor.ones(3, 2, 1, 3, 3);
            Tensor y = Functional.convolution(Convolution.planar(1, 1), x, w, null, null);
            assertThat(y.shape()).isEqualTo(Shape.of(1, 3, 1, 4, 4));
            assertThat(y.permute(0, 2, 3, 4, 1).isContiguous()).isTrue();
            assertThat(y.get(0, 2, 0, 0, 0)).isEqualTo(0 + 1 + 4 + 5 + 16 + 17 + 20 + 21);
        });
    }

    @Test
    void attentionOfEqualKeysAveragesValues() {
        scoped(() -> {
            Tensor q = counting(3, 1, 2);
            Tensor k = Tensor.ones(4, 1, 2);
            Tensor v = counting(4, 1, 1);
            Tensor probabilities = Tensor.zeros(1, 3, 4);
            Tensor lse = Tensor.zeros(3, 1);
            Tensor out = Functional.attention(
                    q, k, v, 0.5f, KeyRanges.of(new int[] {0, 1, 2}, new int[] {4, 3, 2}, 4), null, probabilities, lse);
            assertThat(out.toFloatArray()).containsExactly(new float[] {1.5f, 1.5f, 0}, within(1e-6f));
            assertThat(probabilities.get(0, 1, 2)).isEqualTo(0.5);
            assertThat(lse.get(2, 0)).isEqualTo(Double.NEGATIVE_INFINITY);
        });
    }

    @Test
    void attentionRoundsToBFloat16OnlyWhereAskedFor() {
        scoped(() -> {
            float value = 1 + Math.scalb(1f, -9); // rounds to 1
            Tensor zeros = Tensor.zeros(3, 1, 2);
            Tensor v = Tensor.full(DType.F32, Shape.of(3, 1, 1), value);
            KeyRanges full = KeyRanges.full(3, 3);
            Tensor rounded = Functional.attention(zeros, zeros, v, 1, full, Arithmetic.BF16);
            assertThat(rounded.toFloatArray()).containsOnly(1);
            assertThat(Functional.attention(zeros, zeros, v, 1, full).get(0, 0, 0))
                    .isCloseTo(value, within(1e-6));
        });
    }

    @Test
    void normalisesRotatesAndResizes() {
        scoped(() -> {
            Tensor x = Tensor.of(new float[] {3, 4}, 1, 2);
            assertThat(Functional.rmsNorm(x, 0, null).get(0, 1)).isCloseTo(4 / Math.sqrt(12.5), within(1e-6));
            assertThat(Functional.layerNorm(x, 0, null, null, Tensor.scalar(2), Tensor.scalar(1))
                            .toFloatArray())
                    .containsExactly(new float[] {-1, 3}, within(1e-6f));
            Tensor turned =
                    Functional.rope(RopeLayout.INTERLEAVED, x.reshape(1, 1, 2), Tensor.zeros(1, 1), Tensor.ones(1, 1));
            assertThat(turned.toFloatArray()).containsExactly(-4, 3);
            Tensor grown = Functional.interpolate(Interpolation.NEAREST, counting(1, 1, 2, 2), 4, 4);
            assertThat(grown.get(0, 0, 3, 1)).isEqualTo(2);
        });
    }

    @Test
    void picksRows() {
        scoped(() -> {
            Tensor table = counting(4, 2).to(DType.BF16);
            assertThat(table.indexSelect(Tensor.of(new long[] {3, 0})).toFloatArray())
                    .containsExactly(6, 7, 0, 1);
            assertThatThrownBy(() -> table.indexSelect(Tensor.of(new long[] {1, 4})))
                    .isInstanceOf(IndexOutOfBoundsException.class)
                    .hasMessageContaining("4");
        });
    }

    @Test
    void worksInPlace() {
        scoped(() -> {
            Tensor x = counting(2, 2);
            Tensor same = x.addInPlace(Tensor.scalar(1)).mulInPlace(Tensor.of(new float[] {1, 10}, 2));
            assertThat(same).isSameAs(x);
            assertThat(x.toFloatArray()).containsExactly(1, 20, 3, 40);
            x.select(0, 1).copyInPlace(Tensor.scalar(7));
            assertThat(x.toFloatArray()).containsExactly(1, 20, 7, 7);
            x.fillInPlace(0);
            assertThat(x.sum().item()).isZero();
        });
    }

    @Test
    void convertsTypes() {
        scoped(() -> {
            Tensor x = Tensor.of(new float[] {-1.9f, 0, 2.5f, 300}, 4);
            assertThat(x.to(DType.I64).toLongArray()).containsExactly(-1, 0, 2, 300);
            assertThat(x.to(DType.BOOL).toLongArray()).containsExactly(1, 0, 1, 1);
            assertThat(x.to(DType.F32)).isSameAs(x);
            assertThatThrownBy(x::toLongArray).hasMessageContaining("f32");
            assertThatThrownBy(x::item).hasMessageContaining("4 elements");
        });
    }

    @Test
    void learnedVectorsMayBeStoredInNarrowTypes() {
        scoped(() -> {
            Tensor x = counting(1, 2, 1, 1, 2);
            Tensor two = Tensor.full(DType.BF16, Shape.of(2), 2);
            Tensor eye = Tensor.of(new float[] {1, 0, 0, 1}, 2, 2).to(DType.BF16);
            assertThat(Functional.linear(x.reshape(2, 2), eye, two).toFloatArray())
                    .containsExactly(2, 3, 4, 5);
            assertThat(Functional.convolution(Convolution.planar(1, 0), x, eye.reshape(2, 2, 1, 1, 1), two, null)
                            .toFloatArray())
                    .containsExactly(2, 3, 4, 5);
            Tensor wide = two.to(DType.F32);
            assertThat(Functional.groupNorm(x, 1, 1e-5f, two, two, Activation.NONE)
                            .toFloatArray())
                    .isEqualTo(Functional.groupNorm(x, 1, 1e-5f, wide, wide, Activation.NONE)
                            .toFloatArray());
            assertThat(Functional.rmsNorm(x, 1e-5f, two).toFloatArray())
                    .isEqualTo(Functional.rmsNorm(x, 1e-5f, wide).toFloatArray());
        });
    }
}
