package dev.palimpsest.models.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ImageFilesTest {
    @TempDir
    Path folder;

    private static RgbImage noise(int width, int height, long seed) {
        byte[] samples = new byte[3 * width * height];
        new Random(seed).nextBytes(samples);
        return RgbImage.of(width, height, samples);
    }

    @Test
    void aPngKeepsEveryByteAndItsText() {
        RgbImage image = noise(13, 7, 1);
        Map<String, String> text = new LinkedHashMap<>();
        text.put("prompt", "Add a crown");
        text.put("title", "日本語 <&\"'>");
        text.put("seed", "-1");
        Path file = folder.resolve("new/folder/a.png");
        ImageFiles.writePng(image, file, text);
        assertThat(ImageFiles.read(file)).isEqualTo(image);
        assertThat(ImageFiles.readText(file)).containsExactlyInAnyOrderEntriesOf(text);
    }

    @Test
    void writingReplacesAPictureAndLeavesNoOtherFile() throws IOException {
        Path file = folder.resolve("a.png");
        ImageFiles.writePng(noise(4, 4, 1), file, Map.of());
        ImageFiles.writePng(noise(5, 5, 2), file, Map.of());
        assertThat(ImageFiles.read(file)).isEqualTo(noise(5, 5, 2));
        try (Stream<Path> files = Files.list(folder)) {
            assertThat(files).containsExactly(file);
        }
    }

    @Test
    void aPictureCanBeReadByWhoeverMayReadNewFiles() throws IOException {
        Path picture = folder.resolve("a.png");
        ImageFiles.writePng(noise(4, 4, 1), picture, Map.of());
        Path other = Files.createFile(folder.resolve("other"));
        assertThat(Files.getPosixFilePermissions(picture)).isEqualTo(Files.getPosixFilePermissions(other));
    }

    @Test
    void aFileInTheWayOfTheFolderIsOneSentence() throws IOException {
        Path inTheWay = Files.createFile(folder.resolve("taken"));
        assertThatThrownBy(() -> ImageFiles.writePng(noise(2, 2, 1), inTheWay.resolve("a.png"), Map.of()))
                .isInstanceOf(ImageException.class)
                .hasMessageContaining("cannot be written");
        assertThat(inTheWay).isEmptyFile();
    }

    @Test
    void missingFoldersAndTextFilesAreRefused() throws IOException {
        assertThatThrownBy(() -> ImageFiles.read(folder.resolve("no.png"))).hasMessageContaining("there is no such");
        assertThatThrownBy(() -> ImageFiles.read(folder)).hasMessageContaining("is not a file");
        Path text = Files.writeString(folder.resolve("a.png"), "hello");
        assertThatThrownBy(() -> ImageFiles.read(text))
                .isInstanceOf(ImageException.class)
                .hasMessageContaining("is not a PNG");
    }

    @ParameterizedTest
    @ValueSource(strings = {"png", "jpg", "gif", "bmp"})
    void damagedPicturesAreRefusedOrReadButNeverFailOtherwise(String format) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        ImageIO.write(noise(16, 16, 3).toBufferedImage(), format, bytes);
        Random random = new Random(7);
        int refused = 0;
        for (int i = 0; i < 60; i++) {
            byte[] damaged = bytes.toByteArray();
            if (i % 2 == 0) {
                damaged = Arrays.copyOf(damaged, random.nextInt(damaged.length));
            } else {
                damaged[random.nextInt(damaged.length)] ^= (byte) (1 << random.nextInt(8));
            }
            Path file = Files.write(folder.resolve(i + "." + format), damaged);
            try {
                ImageFiles.read(file);
            } catch (ImageException e) {
                assertThat(e.getMessage()).startsWith(file.toString());
                refused++;
            }
        }
        assertThat(refused).isPositive();
    }

    @Test
    void aPngThatIsCutOffOrHasAnyBitChangedIsRefused() throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        ImageIO.write(noise(3, 3, 3).toBufferedImage(), "png", bytes);
        Path file = folder.resolve("a.png");
        for (int length = 0; length < bytes.size(); length++) {
            Files.write(file, Arrays.copyOf(bytes.toByteArray(), length));
            assertThatThrownBy(() -> ImageFiles.read(file)).as("cut").isInstanceOf(ImageException.class);
        }
        for (int bit = 0; bit < 8 * bytes.size(); bit++) {
            byte[] damaged = bytes.toByteArray();
            damaged[bit / 8] ^= (byte) (1 << bit % 8);
            Files.write(file, damaged);
            assertThatThrownBy(() -> ImageFiles.read(file)).as("bit " + bit).isInstanceOf(ImageException.class);
        }
    }

    @Test
    void aPngThatClaimsAHugeSizeIsRefusedBeforeDecoding() throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        ImageIO.write(noise(2, 2, 1).toBufferedImage(), "png", bytes);
        byte[] png = bytes.toByteArray();
        // IHDR: width and height at 16, CRC over type and content at 29
        java.nio.ByteBuffer header = java.nio.ByteBuffer.wrap(png);
        header.putInt(16, 100_000).putInt(20, 100_000);
        java.util.zip.CRC32 crc = new java.util.zip.CRC32();
        crc.update(png, 12, 17);
        header.putInt(29, (int) crc.getValue());
        Path file = Files.write(folder.resolve("huge.png"), png);
        assertThatThrownBy(() -> ImageFiles.read(file))
                .isInstanceOf(ImageException.class)
                .hasMessageContaining("100000 x 100000 pixels");
    }

    @Test
    void greyPicturesKeepTheirStoredSamples() throws IOException {
        BufferedImage grey = new BufferedImage(256, 1, BufferedImage.TYPE_BYTE_GRAY);
        for (int x = 0; x < 256; x++) {
            grey.getRaster().setSample(x, 0, 0, x);
        }
        Path file = folder.resolve("grey.png");
        ImageIO.write(grey, "png", file.toFile());
        RgbImage image = ImageFiles.read(file);
        for (int x = 0; x < 256; x++) {
            assertThat(image.get(x, 0, 1)).isEqualTo(x);
        }
    }

    @Test
    void alphaIsDroppedNotBlended() throws IOException {
        BufferedImage image = new BufferedImage(1, 1, BufferedImage.TYPE_INT_ARGB);
        image.setRGB(0, 0, 0x10_ff_80_40);
        Path file = folder.resolve("alpha.png");
        ImageIO.write(image, "png", file.toFile());
        RgbImage read = ImageFiles.read(file);
        assertThat(new int[] {read.get(0, 0, 0), read.get(0, 0, 1), read.get(0, 0, 2)})
                .containsExactly(0xff, 0x80, 0x40);
    }

    @Test
    void jpegsAreTurnedUpright() throws IOException {
        // left half dark, right half bright; orientation 6 means: turn clockwise by 90 degrees to see it upright
        BufferedImage image = new BufferedImage(32, 16, BufferedImage.TYPE_INT_RGB);
        for (int y = 0; y < 16; y++) {
            for (int x = 16; x < 32; x++) {
                image.setRGB(x, y, 0xffffff);
            }
        }
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        ImageIO.write(image, "jpg", bytes);
        Path file = Files.write(folder.resolve("turned.jpg"), withOrientation(bytes.toByteArray(), 6));
        RgbImage upright = ImageFiles.read(file);
        assertThat(upright.width()).isEqualTo(16);
        assertThat(upright.height()).isEqualTo(32);
        assertThat(upright.get(8, 4, 0)).isLessThan(50);
        assertThat(upright.get(8, 28, 0)).isGreaterThan(200);
    }

    /// Puts an EXIF segment with one entry, the orientation, behind the start-of-image marker.
    private static byte[] withOrientation(byte[] jpeg, int orientation) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.write(jpeg, 0, 2);
        byte[] exif = "Exif\0\0MM\0*\0\0\0\b\0\1\1\22\0\3\0\0\0\1\0?\0\0\0\0\0\0".getBytes(StandardCharsets.ISO_8859_1);
        exif[exif.length - 7] = (byte) orientation;
        out.write(0xff);
        out.write(0xe1);
        out.write((exif.length + 2) >> 8);
        out.write(exif.length + 2);
        out.writeBytes(exif);
        out.write(jpeg, 2, jpeg.length - 2);
        return out.toByteArray();
    }

    @Test
    void everyOrientationUndoesItsTurn() {
        RgbImage image = noise(3, 2, 5);
        // applying an orientation's inverse by hand: 6 and 8 undo each other, all others undo themselves
        int[] inverse = {0, 1, 2, 3, 4, 5, 8, 7, 6};
        for (int o = 1; o <= 8; o++) {
            RgbImage turned = ImageFiles.upright(image, o);
            assertThat(ImageFiles.upright(turned, inverse[o])).isEqualTo(image);
            assertThat(turned.width()).isEqualTo(o >= 5 ? 2 : 3);
        }
    }
}
