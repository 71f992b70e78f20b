package dev.palimpsest.weights;

import static dev.palimpsest.weights.SafeTensorsBytes.file;
import static dev.palimpsest.weights.SafeTensorsBytes.floats;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Shape;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class SafeTensorsTest {
    private static final String TWO = """
            {"__metadata__":{"format":"pt"},\
            "b":{"dtype":"F32","shape":[2,1],"data_offsets":[4,12]},\
            "a":{"shape":[],"dtype":"I32","data_offsets":[0,4]}}""";

    @TempDir
    Path folder;

    private Path write(byte[] bytes) throws IOException {
        return Files.write(folder.resolve("file.safetensors"), bytes);
    }

    private static byte[] two() {
        return file(TWO, 7, floats(1.5f, -2));
    }

    private static byte[] file(String header, int first, byte[] rest) {
        byte[] data = new byte[4 + rest.length];
        data[0] = (byte) first;
        System.arraycopy(rest, 0, data, 4, rest.length);
        return SafeTensorsBytes.file(header, data);
    }

    @Test
    void namesKeepTheOrderOfTheHeader() throws IOException {
        try (Checkpoint c = Checkpoint.open(write(two()))) {
            assertThat(c).isInstanceOf(SafeTensors.class);
            assertThat(c.names()).containsExactly("b", "a");
            assertThat(c.metadata()).containsExactly(Map.entry("format", "pt"));
        }
    }

    @Test
    void tensorsAreReadOnlyViewsOfTheFile() throws IOException {
        try (Checkpoint c = Checkpoint.open(write(two()))) {
            NdArray b = c.tensor("b");
            assertThat(b.dtype()).isEqualTo(DType.F32);
            assertThat(b.shape()).isEqualTo(Shape.of(2, 1));
            assertThat(b.get(0, 0)).isEqualTo(1.5);
            assertThat(b.get(1, 0)).isEqualTo(-2);
            assertThat(c.tensor("a").getLong()).isEqualTo(7);
            assertThat(b.memory().isReadOnly()).isTrue();
            Damage.overwriteLast(c.path(), (byte) 0x40);
            assertThat(b.get(1, 0)).as("a view sees what happens to the file").isEqualTo(2);
        }
    }

    @Test
    void theKindIsToldByTheContentWhateverTheName() throws IOException {
        Path path = Files.write(folder.resolve("weights.pth"), two());
        try (Checkpoint c = Checkpoint.open(path)) {
            assertThat(c).isInstanceOf(SafeTensors.class);
        }
    }

    @Test
    void dataAtAnOddOffsetCanBeRead() throws IOException {
        String header = """
                {"w":{"dtype":"F32","shape":[2],"data_offsets":[1,9]},\
                "m":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}""";
        byte[] data = new byte[9];
        System.arraycopy(floats(0.1f, 3), 0, data, 1, 8);
        try (Checkpoint c = Checkpoint.open(write(SafeTensorsBytes.file(header, data)))) {
            assertThat(c.tensor("w").get(0)).isEqualTo(0.1f);
            assertThat(c.tensor("w").get(1)).isEqualTo(3);
        }
    }

    @Test
    void afterCloseNothingCanBeRead() throws IOException {
        Checkpoint c = Checkpoint.open(write(two()));
        NdArray b = c.tensor("b");
        c.close();
        c.close();
        assertThatThrownBy(() -> c.tensor("b"))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("is closed");
        assertThatThrownBy(() -> b.get(0, 0)).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void anUnknownNameIsAnsweredWithTheNearestOne() throws IOException {
        byte[] bytes = SafeTensorsBytes.file(
                "{\"encoder.conv.weight\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}");
        try (Checkpoint c = Checkpoint.open(write(bytes))) {
            assertThatThrownBy(() -> c.info("encoder.conv.wieght"))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageContaining("has no tensor 'encoder.conv.wieght'; did you mean 'encoder.conv.weight'?");
        }
    }

    @Test
    void severalThreadsMayRead() throws Exception {
        try (Checkpoint c = Checkpoint.open(write(two()));
                var pool = Executors.newFixedThreadPool(4)) {
            Callable<Double> read = () -> IntStream.range(0, 200)
                    .mapToDouble(i -> c.tensor("b").get(i & 1, 0))
                    .sum();
            for (Future<Double> sum : pool.invokeAll(List.of(read, read, read, read))) {
                assertThat(sum.get()).isEqualTo(-50);
            }
        }
    }

    static Stream<Arguments> brokenHeaders() {
        return Stream.of(
                Arguments.of("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}", "is not valid JSON"),
                Arguments.of("[]", "is not a JSON object"),
                Arguments.of("{} {}", "goes on after"),
                Arguments.of("{\"a\":7}", "'a' is not described by a JSON object"),
                Arguments.of(entry("\"F32\"", "[1]", "[0,4]").replace("}}", ",\"dtype\":\"F32\"}}"), "dtype twice"),
                Arguments.of(entry("\"F31\"", "[1]", "[0,4]"), "unknown dtype 'F31'"),
                Arguments.of(entry("32", "[1]", "[0,4]"), "dtype that is not a string"),
                Arguments.of(entry("\"F32\"", "1", "[0,4]"), "shape that is not an array"),
                Arguments.of(entry("\"F32\"", "[1.0]", "[0,4]"), "something else than integers in its shape"),
                Arguments.of(entry("\"F32\"", "[-1]", "[0,4]"), "negative number -1 in its shape"),
                Arguments.of(entry("\"F32\"", "[-0,1]", "[0,0]"), "negative number -0 in its shape"),
                Arguments.of(entry("\"F32\"", "[1]", "[0]"), "not a range"),
                Arguments.of(entry("\"F32\"", "[1]", "[4,0]"), "not a range"),
                Arguments.of(entry("\"F32\"", "[1]", "[0,4,4]"), "more than 2 numbers"),
                Arguments.of(entry("\"F32\"", "[2]", "[0,8]"), "ends at byte 8 of the data, which has only 4"),
                Arguments.of(entry("\"F32\"", "[2]", "[0,4]"), "takes 8 bytes, but its data_offsets span 4"),
                Arguments.of(entry("\"U8\"", "[2]", "[2,4]"), "no tensor covers the 2 bytes before tensor 'a'"),
                Arguments.of(entry("\"U8\"", "[2]", "[0,2]"), "no tensor covers the last 2 bytes"),
                Arguments.of(entry("\"F32\"", "[9223372036854775808]", "[0,4]"), "is not valid JSON"),
                Arguments.of(entry("\"F32\"", "[2147483648]", "[0,4]"), "more than 2147483647"),
                Arguments.of(entry("\"F32\"", "[65536,65536,65536,65536]", "[0,4]"), "exceeds 63 bits"),
                Arguments.of(entry("\"F32\"", "[0,2000000000,2000000000,2000000000]", "[0,0]"), "exceeds 63 bits"),
                Arguments.of(entry("\"F32\"", "[" + "1,".repeat(64) + "1]", "[0,4]"), "shape of more than 64 numbers"),
                Arguments.of("{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", "lacks data_offsets"),
                Arguments.of("{\"__metadata__\":[]}", "__metadata__ is not a JSON object"),
                Arguments.of("{\"__metadata__\":{\"a\":1}}", "metadata 'a' is not a string"),
                Arguments.of("{\"a\":" + "[".repeat(40_000), "is not described by a JSON object"),
                Arguments.of("{\"a\":{\"b\":" + "[".repeat(40_000), "is not valid JSON"));
    }

    private static String entry(String dtype, String shape, String offsets) {
        return "{\"a\":{\"dtype\":" + dtype + ",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}}";
    }

    @ParameterizedTest
    @MethodSource("brokenHeaders")
    void aBrokenHeaderIsRefusedInOneSentence(String header, String reason) throws IOException {
        Path path = write(SafeTensorsBytes.file(header, new byte[4]));
        assertThatThrownBy(() -> Checkpoint.open(path))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining(reason)
                .hasMessageStartingWith(path.toString())
                .message()
                .hasLineCount(1)
                .hasSizeLessThan(400 + path.toString().length());
    }

    @Test
    void twoTensorsOnTheSameBytesAreRefused() throws IOException {
        String header = "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
                + "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}";
        Path path = write(SafeTensorsBytes.file(header, new byte[4]));
        assertThatThrownBy(() -> Checkpoint.open(path)).hasMessageContaining("tensor 'b' overlaps the one before it");
    }

    @ParameterizedTest
    @MethodSource
    void aWrongHeaderLengthIsRefused(long length, String reason) throws IOException {
        Path path = write(SafeTensorsBytes.file(length, TWO.getBytes(StandardCharsets.UTF_8)));
        assertThatThrownBy(() -> Checkpoint.open(path))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining(reason);
    }

    static Stream<Arguments> aWrongHeaderLengthIsRefused() {
        return Stream.of(
                Arguments.of(0, "is not a JSON object"),
                Arguments.of(5, "is not valid JSON"),
                Arguments.of(5_000_000, "but only"),
                Arguments.of(100_000_001, "more than the allowed 100000000"),
                Arguments.of(-1, "claims 18446744073709551615 bytes"),
                Arguments.of(1L << 62, "more than the allowed"));
    }

    @Test
    void textThatIsNotUtf8IsRefused() throws IOException {
        byte[] header =
                "{\"wXw\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}".getBytes(StandardCharsets.UTF_8);
        for (byte wrong : new byte[] {(byte) 0xff, (byte) 0xc0, (byte) 0xed, (byte) 0x80}) {
            header[3] = wrong;
            Path path = write(SafeTensorsBytes.file(header));
            assertThatThrownBy(() -> Checkpoint.open(path)).isInstanceOf(CheckpointException.class);
        }
    }

    @Test
    void aMissingAnEmptyAndAnUnknownFileAreExplained() throws IOException {
        Path none = folder.resolve("none.safetensors");
        assertThatThrownBy(() -> Checkpoint.open(none))
                .isInstanceOf(CheckpointException.class)
                .hasMessage(none + ": does not exist");
        Path empty = Files.write(folder.resolve("empty.pth"), new byte[0]);
        assertThatThrownBy(() -> Checkpoint.open(empty)).hasMessage(empty + ": is empty");
        Path picture = Files.write(folder.resolve("picture.png"), new byte[] {(byte) 0x89, 'P', 'N', 'G', 13, 10});
        assertThatThrownBy(() -> Checkpoint.open(picture))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining("it begins with the bytes 89 50 4e 47 0d 0a");
    }

    @Test
    void everyTruncationIsRefused() throws IOException {
        byte[] whole = two();
        for (int length = 0; length < whole.length; length++) {
            Path path = write(Arrays.copyOf(whole, length));
            assertThatThrownBy(() -> Checkpoint.open(path))
                    .as("length %d", length)
                    .isInstanceOf(CheckpointException.class);
        }
    }

    @Test
    void randomDamageGivesEitherAReadableFileOrACheckpointException() throws IOException {
        Random random = new Random(1);
        int refused = 0;
        for (int i = 0; i < 1000; i++) {
            byte[] bytes = two();
            for (int flips = 1 + random.nextInt(3); flips > 0; flips--) {
                bytes[random.nextInt(bytes.length)] ^= (byte) (1 << random.nextInt(8));
            }
            refused += Damage.readEverything(write(bytes)) ? 0 : 1;
        }
        assertThat(refused).isBetween(500, 999);
    }
}
