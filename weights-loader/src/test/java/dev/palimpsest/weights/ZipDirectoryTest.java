package dev.palimpsest.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class ZipDirectoryTest {
    private static final byte[] CONTENT = "some text, some text, some text".getBytes(StandardCharsets.US_ASCII);

    @TempDir
    Path folder;

    private MappedFile map(byte[] bytes) throws IOException {
        return MappedFile.open(Files.write(folder.resolve("file.zip"), bytes));
    }

    private static byte[] content(ZipDirectory zip, String name) {
        return zip.content(Objects.requireNonNull(zip.find(name))).toArray(ValueLayout.JAVA_BYTE);
    }

    @Test
    void archivesOfOtherProgramsAreUnderstood() throws IOException {
        var out = new ByteArrayOutputStream();
        try (ZipOutputStream zip = new ZipOutputStream(out)) {
            zip.setComment("a comment");
            zip.putNextEntry(new ZipEntry("folder/"));
            zip.putNextEntry(new ZipEntry("folder/\u4e16.txt"));
            zip.write(CONTENT);
            zip.putNextEntry(new ZipEntry("empty"));
            zip.closeEntry();
        }
        try (MappedFile file = map(out.toByteArray())) {
            ZipDirectory zip = ZipDirectory.read(file);
            assertThat(zip.records())
                    .extracting(ZipDirectory.Entry::name)
                    .containsExactly("folder/", "folder/\u4e16.txt", "empty");
            assertThat(content(zip, "folder/\u4e16.txt")).isEqualTo(CONTENT);
            assertThat(content(zip, "empty")).isEmpty();
            assertThat(zip.find("other")).isNull();
        }
    }

    private static byte[] two() {
        return new ZipBytes().add("a/x", CONTENT).add("a/y", CONTENT).build();
    }

    private static byte[] edited(byte[] archive, Consumer<ByteBuffer> edit) {
        edit.accept(ByteBuffer.wrap(archive).order(ByteOrder.LITTLE_ENDIAN));
        return archive;
    }

    private static int central(byte[] archive) {
        return TorchFileTest.indexOf(archive, new byte[] {'P', 'K', 1, 2});
    }

    private static int end(byte[] archive) {
        return archive.length - 22;
    }

    static Stream<Arguments> brokenArchives() {
        byte[] two = two();
        int first = central(two);
        int second = first + 46 + 3;
        int end = end(two);
        byte[] wide = new ZipBytes().wide().add("a/x", CONTENT).build();
        int locator = end(wide) - 20;
        int end64 = locator - 56;
        return Stream.of(
                Arguments.of(
                        "is listed twice",
                        new ZipBytes().add("a", CONTENT).add("a", CONTENT).build()),
                Arguments.of(
                        "is encrypted",
                        new ZipBytes().flags(1).add("a", CONTENT).build()),
                Arguments.of(
                        "is compressed by method 12",
                        new ZipBytes().add("a", CONTENT, 1, 12).build()),
                Arguments.of(
                        "'../a' is not named by a plain path",
                        new ZipBytes().add("../a", CONTENT).build()),
                Arguments.of(
                        "'/a' is not named by a plain path",
                        new ZipBytes().add("/a", CONTENT).build()),
                Arguments.of(
                        "'a//b' is not named by a plain path",
                        new ZipBytes().add("a//b", CONTENT).build()),
                Arguments.of(
                        "'a\\b' is not named by a plain path",
                        new ZipBytes().add("a\\b", CONTENT).build()),
                Arguments.of(
                        "'' is not named by a plain path",
                        new ZipBytes().add("", CONTENT).build()),
                Arguments.of("not valid UTF-8", edited(two(), b -> b.put(first + 46, (byte) 0xff))),
                Arguments.of("overlaps the one before it", edited(two(), b -> {
                    // the first record reaches into the second
                    int size = CONTENT.length + 40;
                    b.putInt(first + 20, size)
                            .putInt(first + 24, size)
                            .putInt(18, size)
                            .putInt(22, size);
                })),
                Arguments.of("contradicts the zip directory", edited(two(), b -> b.put(30, (byte) 'b'))),
                Arguments.of("contradicts the zip directory", edited(two(), b -> b.putInt(18, 5))),
                Arguments.of("contradicts the zip directory", edited(two(), b -> b.putInt(14, 5))),
                Arguments.of("contradicts the zip directory", edited(two(), b -> b.putShort(8, (short) 8))),
                Arguments.of("contradicts the zip directory", edited(two(), b -> b.putShort(6, (short) 1))),
                Arguments.of("cannot hold 32 bytes in 31", edited(two(), b -> b.putInt(first + 24, 32))),
                Arguments.of("runs past the last record's end", edited(two(), b -> b.putInt(first + 20, 500))),
                Arguments.of("is not at byte 7", edited(two(), b -> b.putInt(first + 42, 7))),
                Arguments.of("is not at byte 4294967294", edited(two(), b -> b.putInt(first + 42, -2))),
                Arguments.of("lacks its 64-bit sizes", edited(two(), b -> b.putInt(first + 24, -1))),
                Arguments.of("runs past the directory's end", edited(two(), b -> b.putShort(second + 28, (short) 99))),
                Arguments.of("promises 2 records and ends after 1", edited(two(), b -> b.putInt(second, 0))),
                Arguments.of("cannot hold 3 records", edited(two(), b -> b.putShort(end + 10, (short) 3))),
                Arguments.of(
                        "goes on after its 1 records",
                        edited(two(), b -> b.putShort(end + 8, (short) 1).putShort(end + 10, (short) 1))),
                Arguments.of("split over several disks", edited(two(), b -> b.putShort(end + 4, (short) 1))),
                Arguments.of("not where the archive's end says", edited(two(), b -> b.putInt(end + 16, 3))),
                Arguments.of("not where the archive's end says", edited(two(), b -> b.putInt(end + 12, 3))),
                Arguments.of("no zip directory at its end", edited(two(), b -> b.putShort(end + 20, (short) 3))),
                Arguments.of("no zip directory at its end", Arrays.copyOf(two, two.length + 5)),
                Arguments.of("64-bit end record is damaged", edited(wide.clone(), b -> b.putLong(locator + 8, -5))),
                Arguments.of("64-bit end record is damaged", edited(wide.clone(), b -> b.putInt(end64, 0))),
                Arguments.of("64-bit end record is damaged", edited(wide.clone(), b -> b.putLong(end64 + 4, 7))),
                Arguments.of(
                        "not where the archive's end says",
                        edited(wide.clone(), b -> b.putLong(end64 + 48, Long.MAX_VALUE))),
                Arguments.of("cannot hold", edited(wide.clone(), b -> b.putLong(end64 + 32, Long.MAX_VALUE))),
                Arguments.of("contradict each other", edited(wide.clone(), b -> b.putInt(locator + 20 + 12, 7))));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("brokenArchives")
    void aBrokenArchiveIsRefused(String reason, byte[] archive) throws IOException {
        try (MappedFile file = map(archive)) {
            assertThatThrownBy(() -> ZipDirectory.read(file))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageContaining(reason);
        }
    }

    @Test
    void aCompressedRecordThatIsNotAsPromisedIsRefused() throws IOException {
        byte[] archive = new ZipBytes().deflating().add("a", CONTENT).build();
        int central = central(archive);
        byte[] longer = edited(archive.clone(), b -> b.putInt(22, 99).putInt(central + 24, 99));
        assertRefused(longer, "unpacks to 31 bytes instead of 99");
        byte[] shorter = edited(archive.clone(), b -> b.putInt(22, 9).putInt(central + 24, 9));
        assertRefused(shorter, "unpacks to more than the promised 9 bytes");
        byte[] bomb = edited(archive.clone(), b -> b.putInt(22, 1 << 30).putInt(central + 24, 1 << 30));
        try (MappedFile file = map(bomb)) {
            assertThatThrownBy(() -> ZipDirectory.read(file))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageContaining("cannot hold 1073741824 bytes in");
        }
        byte[] garbage = edited(archive.clone(), b -> b.put(31, (byte) 7));
        assertRefused(garbage, "is not valid deflate data");
        byte[] crc = edited(archive.clone(), b -> b.putInt(14, 1).putInt(central + 16, 1));
        assertRefused(crc, "is damaged: its CRC-32 is");
    }

    private void assertRefused(byte[] archive, String reason) throws IOException {
        try (MappedFile file = map(archive)) {
            ZipDirectory zip = ZipDirectory.read(file);
            assertThatThrownBy(() -> content(zip, "a"))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageContaining(reason);
        }
    }
}
