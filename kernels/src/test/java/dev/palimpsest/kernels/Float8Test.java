package dev.palimpsest.kernels;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class Float8Test {
    @ParameterizedTest
    @CsvSource({
        "0x00, 0",
        "0x01, 0.001953125",
        "0x07, 0.013671875",
        "0x08, 0.015625",
        "0x38, 1",
        "0x39, 1.125",
        "0x7e, 448",
        "0x7f, NaN",
        "0x80, -0.0",
        "0xb8, -1",
        "0xfe, -448",
        "0xff, NaN"
    })
    void fourExponentBits(int code, Float value) {
        assertThat((Float) Float8.fromE4M3((byte) code)).isEqualTo(value);
    }

    @ParameterizedTest
    @CsvSource({
        "0x00, 0", "0x01, 0.0000152587890625", "0x04, 0.00006103515625", "0x3c, 1", "0x3d, 1.25", "0x7b, 57344",
        "0x7c, Infinity", "0x7d, NaN", "0x80, -0.0", "0xbc, -1", "0xfc, -Infinity", "0xff, NaN"
    })
    void fiveExponentBits(int code, Float value) {
        assertThat((Float) Float8.fromE5M2((byte) code)).isEqualTo(value);
    }

    @Test
    void arraysReadBothTypesAsNumbers() {
        try (Arena arena = Arena.ofConfined()) {
            var memory = arena.allocateFrom(ValueLayout.JAVA_BYTE, (byte) 0x39, (byte) 0x3d);
            assertThat(NdArray.of(memory, DType.F8_E4M3, Shape.of(2)).get(0)).isEqualTo(1.125);
            assertThat(NdArray.of(memory, DType.F8_E5M2, Shape.of(2)).get(1)).isEqualTo(1.25);
        }
    }
}
