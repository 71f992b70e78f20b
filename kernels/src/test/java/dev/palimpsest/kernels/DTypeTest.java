package dev.palimpsest.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.palimpsest.kernels.cases.TestArrays;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class DTypeTest {
    @ParameterizedTest
    @CsvSource({
        "F32, 4, true, false, f32",
        "F16, 2, true, false, f16",
        "BF16, 2, true, false, bf16",
        "F64, 8, true, false, f64",
        "F8_E4M3, 1, true, false, f8_e4m3",
        "F8_E5M2, 1, true, false, f8_e5m2",
        "I64, 8, false, true, i64",
        "I32, 4, false, true, i32",
        "I16, 2, false, true, i16",
        "I8, 1, false, true, i8",
        "U64, 8, false, true, u64",
        "U32, 4, false, true, u32",
        "U16, 2, false, true, u16",
        "U8, 1, false, true, u8",
        "BOOL, 1, false, false, bool",
    })
    void knowsItsSizeKindAndName(DType type, int bytes, boolean floating, boolean integer, String label) {
        assertThat(type.bytes()).isEqualTo(bytes);
        assertThat(type.isFloating()).isEqualTo(floating);
        assertThat(type.isInteger()).isEqualTo(integer);
        assertThat(type.label()).isEqualTo(label);
    }

    @ParameterizedTest
    @CsvSource({
        "0x1p0, 0x1p0",
        "0x1.01p0, 0x1.00p0", // a tie goes to the even one
        "0x1.03p0, 0x1.04p0",
        "0x1.010002p0, 0x1.02p0",
        "0x1.00fffep0, 0x1.00p0",
        "-0x1.03p0, -0x1.04p0",
        "0x1.fffffep127, Infinity",
        "0x1.fep127, 0x1.fep127",
        "Infinity, Infinity",
        "-Infinity, -Infinity",
        "0x0.000002p-126, 0",
        "0x0.02p-126, 0x0.02p-126", // the smallest bfloat16
        "-0.0, -0.0",
    })
    void bfloat16RoundsToNearestEven(String from, String to) {
        float rounded = BFloat16.toFloat(BFloat16.fromFloat(Float.parseFloat(hex(from))));

        assertThat(rounded).isEqualTo(Float.valueOf(Float.parseFloat(hex(to))));
    }

    private static String hex(String number) {
        return number.contains("x") && !number.contains("p") ? number + "p0" : number;
    }

    @Test
    void bfloat16KeepsEveryValueItCanHold() {
        for (int bits = 0; bits < 1 << 16; bits++) {
            float value = BFloat16.toFloat((short) bits);
            if (!Float.isNaN(value)) {
                assertThat(BFloat16.fromFloat(value)).isEqualTo((short) bits);
            } else {
                assertThat(BFloat16.toFloat(BFloat16.fromFloat(value))).isNaN();
            }
        }
    }

    @Test
    void bfloat16TakesTheNearerNeighbour() {
        SplittableRandom random = new SplittableRandom(1);
        for (int i = 0; i < 20_000; i++) {
            float value = (float) Math.scalb(random.nextDouble(-2, 2), random.nextInt(-100, 100));
            short bits = BFloat16.fromFloat(value);
            double error = Math.abs((double) BFloat16.toFloat(bits) - value);
            for (int neighbour = -1; neighbour <= 1; neighbour += 2) {
                double other = Math.abs((double) BFloat16.toFloat((short) (bits + neighbour)) - value);
                assertThat(error).isLessThanOrEqualTo(other);
            }
        }
    }

    @Test
    void aNaNWithAnyPayloadStaysOne() {
        for (int bits : new int[] {0x7f800001, 0x7fffffff, 0xff800001, 0xffffffff, 0x7fc00000}) {
            short rounded = BFloat16.fromFloat(Float.intBitsToFloat(bits));

            assertThat(BFloat16.toFloat(rounded)).isNaN();
            assertThat(rounded < 0).as("the sign").isEqualTo(bits < 0);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "F32, 0.1, 0.10000000149011612",
        "F64, 0.1, 0.1",
        "F16, 0.1, 0.0999755859375",
        "F16, 65520, Infinity",
        "BF16, 0.1, 0.10009765625",
        "I64, -9007199254740993, -9007199254740992",
        "I32, -7.9, -7",
        "I16, 32767, 32767",
        "I8, -128, -128",
        "U32, 4294967295, 4294967295",
        "U16, 65535, 65535",
        "U8, 255, 255",
        "BOOL, 0.5, 1",
        "BOOL, 0, 0",
    })
    void elementsOfEveryTypeAreWrittenAndRead(DType type, double value, double expected) {
        NdArray x = TestArrays.zeros(type, 3);
        x.set(value, 1);

        assertThat(x.get(1)).isEqualTo(expected);
        assertThat(x.get(0)).isZero();
        assertThat(x.get(2)).isZero();
    }

    @Test
    void unsigned64BitIntegersAreRoundedNotWrapped() {
        NdArray x = TestArrays.zeros(DType.U64, 1);
        x.memory().set(ValueLayout.JAVA_LONG, 0, -1);

        assertThat(x.get(0)).isEqualTo(0x1p64);
        assertThat(x.getLong(0)).isEqualTo(-1);
    }

    @Test
    void eightBitFloatsAreNotWrittenAndFloatsAreNotIntegers() {
        assertThatThrownBy(() -> TestArrays.zeros(DType.F8_E5M2, 1).set(1, 0))
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("f8_e5m2 elements can be copied but not written as numbers");
        assertThatThrownBy(() -> TestArrays.zeros(DType.F32, 1).getLong(0))
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("f32 elements are not integers");
    }
}
