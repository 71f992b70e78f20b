package dev.palimpsest.models.json;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class JsonObjectTest {
    private final JsonObject object = JsonObject.parse("""
            {"i": 7, "big": 5000000000, "x": 1.5, "b": true, "s": "text", "n": null, "o": {"i": 8},
             "is": [1, 2], "xs": [1, 2.5], "ss": ["a", "b"]}""", "config.json");

    @Test
    void fieldsAreReadByType() {
        assertThat(object.int32("i")).isEqualTo(7);
        assertThat(object.integer("big")).isEqualTo(5_000_000_000L);
        assertThat(object.number("i")).isEqualTo(7);
        assertThat(object.number("x")).isEqualTo(1.5);
        assertThat(object.bool("b")).isTrue();
        assertThat(object.text("s")).isEqualTo("text");
        assertThat(object.object("o").int32("i")).isEqualTo(8);
        assertThat(object.int32s("is")).containsExactly(1, 2);
        assertThat(object.numbers("xs")).containsExactly(1, 2.5);
        assertThat(object.texts("ss")).containsExactly("a", "b");
    }

    @Test
    void nullAndAbsentAreTheSame() {
        assertThat(object.has("n")).isFalse();
        assertThat(object.int32("n", 3)).isEqualTo(3);
        assertThat(object.int32("none", 3)).isEqualTo(3);
        assertThat(object.int32("i", 3)).isEqualTo(7);
        assertThat(object.text("n", "absent")).isEqualTo("absent");
        assertThat(object.objectOrEmpty("none").names()).isEmpty();
    }

    @ParameterizedTest
    @CsvSource({"x, a whole number", "big, a whole number of 32 bits", "s, a whole number", "is, a whole number"})
    void aFieldOfAnotherTypeIsNamedWithWhatItHolds(String name, String expected) {
        assertThatExceptionOfType(JsonException.class)
                .isThrownBy(() -> object.int32(name))
                .withMessageStartingWith("config.json: \"" + name + "\" is ")
                .withMessageEndingWith("not " + expected);
    }

    @Test
    void aMissingFieldOfAnInnerObjectIsNamedWithItsPlace() {
        assertThatExceptionOfType(JsonException.class)
                .isThrownBy(() -> object.object("o").text("name"))
                .withMessage("config.json, o: lacks \"name\"");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "[1]", "7", "{", "{\"a\": }", "{\"a\": 1} 2", "{\"a\": 1]"})
    void whatIsNotOneObjectIsRefusedWithTheNameOfTheDocument(String text) {
        assertThatExceptionOfType(JsonException.class)
                .isThrownBy(() -> JsonObject.parse(text, "config.json"))
                .withMessageStartingWith("config.json: ");
    }

    @Test
    void aFileThatIsNotThereIsNamed() {
        assertThatExceptionOfType(JsonException.class)
                .isThrownBy(() -> JsonObject.read(Path.of("no-such-file.json")))
                .withMessageStartingWith("no-such-file.json: ");
    }
}
