package dev.palimpsest.models.image;

import com.twelvemonkeys.imageio.metadata.Directory;
import com.twelvemonkeys.imageio.metadata.Entry;
import com.twelvemonkeys.imageio.metadata.jpeg.JPEG;
import com.twelvemonkeys.imageio.metadata.jpeg.JPEGSegment;
import com.twelvemonkeys.imageio.metadata.jpeg.JPEGSegmentUtil;
import com.twelvemonkeys.imageio.metadata.tiff.TIFF;
import com.twelvemonkeys.imageio.metadata.tiff.TIFFReader;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.UUID;
import javax.imageio.IIOImage;
import javax.imageio.ImageIO;
import javax.imageio.ImageReader;
import javax.imageio.ImageTypeSpecifier;
import javax.imageio.ImageWriter;
import javax.imageio.metadata.IIOInvalidTreeException;
import javax.imageio.metadata.IIOMetadata;
import javax.imageio.metadata.IIOMetadataNode;
import javax.imageio.stream.ImageInputStream;
import javax.imageio.stream.ImageOutputStream;
import javax.imageio.stream.MemoryCacheImageInputStream;
import org.w3c.dom.Node;

/// Pictures in files: PNG, JPEG, GIF, BMP and WebP in, PNG out.
public final class ImageFiles {
    /// Largest number of pixels that is decoded, so that a small hostile file cannot ask for all memory.
    public static final long MAX_PIXELS = 200_000_000;

    private static final String PNG_FORMAT = "javax_imageio_png_1.0";

    private ImageFiles() {}

    /// Reads a picture, turned upright if its EXIF data say how it was held.
    ///
    /// @throws ImageException if there is no such file, it is not a picture, it is damaged or too large
    public static RgbImage read(Path file) {
        if (!Files.isRegularFile(file)) {
            throw new ImageException(file + ": " + (Files.exists(file) ? "is not a file" : "there is no such picture"));
        }
        try (ImageInputStream in = ImageIO.createImageInputStream(file.toFile())) {
            if (in == null) {
                throw new ImageException(file + ": cannot be read");
            }
            if (PngChunks.isPng(in)) {
                PngChunks.check(in);
            }
            Iterator<ImageReader> readers = ImageIO.getImageReaders(in);
            if (!readers.hasNext()) {
                throw new ImageException(file + ": is not a PNG, JPEG, GIF, BMP or WebP picture");
            }
            ImageReader reader = readers.next();
            try {
                reader.setInput(in, true, true);
                long pixels = (long) reader.getWidth(0) * reader.getHeight(0);
                if (pixels > MAX_PIXELS) {
                    throw new ImageException(file + ": has " + reader.getWidth(0) + " x " + reader.getHeight(0)
                            + " pixels; at most " + MAX_PIXELS + " are read");
                }
                RgbImage image = RgbImage.of(reader.read(0));
                String format = reader.getFormatName().toLowerCase(Locale.ROOT);
                return format.startsWith("jp") ? upright(image, orientation(in)) : image;
            } finally {
                reader.dispose();
            }
        } catch (ImageException e) {
            throw e;
        } catch (IOException | RuntimeException e) {
            // Decoders report damaged files through many kinds of runtime exceptions.
            throw new ImageException(file + ": is damaged or not a picture that can be read: " + e.getMessage(), e);
        }
    }

    /// EXIF orientation 1 to 8; 1 if the file does not say.
    private static int orientation(ImageInputStream in) throws IOException {
        try {
            in.seek(0);
            List<JPEGSegment> segments = JPEGSegmentUtil.readSegments(in, JPEG.APP1, "Exif");
            if (segments.isEmpty()) {
                return 1;
            }
            try (InputStream data = segments.getFirst().data();
                    ImageInputStream exif = new MemoryCacheImageInputStream(data)) {
                if (data.skip(1) != 1) { // padding behind the identifier
                    return 1;
                }
                Directory directory = new TIFFReader().read(exif);
                Entry entry = directory.getEntryById(TIFF.TAG_ORIENTATION);
                return entry != null && entry.getValue() instanceof Number n && n.intValue() >= 1 && n.intValue() <= 8
                        ? n.intValue()
                        : 1;
            }
        } catch (IOException e) {
            // A picture with damaged EXIF data is still a picture.
            return 1;
        }
    }

    /// Undoes an EXIF orientation: 2, 4, 5 and 7 mirror, 3 turns by 180 degrees, 5 to 8 exchange rows and columns.
    static RgbImage upright(RgbImage image, int orientation) {
        if (orientation == 1) {
            return image;
        }
        boolean transpose = orientation >= 5;
        boolean flipX = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
        boolean flipY = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
        int w = transpose ? image.height() : image.width();
        int h = transpose ? image.width() : image.height();
        byte[] out = new byte[3 * w * h];
        for (int y = 0; y < h; y++) {
            for (int x = 0; x < w; x++) {
                int u = flipX ? w - 1 - x : x;
                int v = flipY ? h - 1 - y : y;
                for (int c = 0; c < 3; c++) {
                    out[(y * w + x) * 3 + c] = (byte) (transpose ? image.get(v, u, c) : image.get(u, v, c));
                }
            }
        }
        return RgbImage.owning(w, h, out);
    }

    /// Writes a PNG with text entries. The file appears whole or not at all.
    ///
    /// @param text keyword to text, for example the settings that made the picture; keywords are Latin-1, 1 to 79
    ///     characters
    /// @throws ImageException if the file cannot be written
    public static void writePng(RgbImage image, Path file, Map<String, String> text) {
        Path folder = file.toAbsolutePath().getParent();
        Path part = null;
        try {
            Files.createDirectories(folder);
            // Not createTempFile, whose files only their owner may read.
            part = file.resolveSibling("." + UUID.randomUUID() + ".part");
            try (OutputStream out = Files.newOutputStream(part, StandardOpenOption.CREATE_NEW);
                    ImageOutputStream stream = ImageIO.createImageOutputStream(out)) {
                encode(image.toBufferedImage(), stream, text);
            }
            try {
                Files.move(part, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
            } catch (AtomicMoveNotSupportedException e) {
                Files.move(part, file, StandardCopyOption.REPLACE_EXISTING);
            }
        } catch (IOException e) {
            throw new ImageException(file + ": cannot be written: " + reason(e), e);
        } finally {
            deleteQuietly(part);
        }
    }

    /// The text entries of a PNG, in the order of the file; empty for other formats.
    ///
    /// @throws ImageException if the file cannot be read
    public static Map<String, String> readText(Path file) {
        Map<String, String> text = new LinkedHashMap<>();
        try (InputStream bytes = Files.newInputStream(file);
                ImageInputStream in = new MemoryCacheImageInputStream(bytes)) {
            Iterator<ImageReader> readers = ImageIO.getImageReaders(in);
            ImageReader reader = readers.hasNext() ? readers.next() : null;
            if (reader == null || !reader.getFormatName().equalsIgnoreCase("png")) {
                return text;
            }
            try {
                reader.setInput(in, true, false);
                Node root = reader.getImageMetadata(0).getAsTree(PNG_FORMAT);
                for (Node n = root.getFirstChild(); n != null; n = n.getNextSibling()) {
                    if (n.getNodeName().equals("tEXt") || n.getNodeName().equals("iTXt")) {
                        for (Node e = n.getFirstChild(); e != null; e = e.getNextSibling()) {
                            String value = e.getNodeName().startsWith("tEXt") ? "value" : "text";
                            text.put(attribute(e, "keyword"), attribute(e, value));
                        }
                    }
                }
                return text;
            } finally {
                reader.dispose();
            }
        } catch (IOException | RuntimeException e) {
            throw new ImageException(file + ": its text entries cannot be read: " + e.getMessage(), e);
        }
    }

    private static String attribute(Node node, String name) {
        Node a = node.getAttributes().getNamedItem(name);
        return a == null ? "" : a.getNodeValue();
    }

    private static void encode(BufferedImage image, ImageOutputStream out, Map<String, String> text)
            throws IOException {
        ImageWriter writer = ImageIO.getImageWritersByFormatName("png").next();
        try {
            IIOMetadata metadata = writer.getDefaultImageMetadata(
                    ImageTypeSpecifier.createFromRenderedImage(image), writer.getDefaultWriteParam());
            if (!text.isEmpty()) {
                metadata.mergeTree(PNG_FORMAT, textEntries(text));
            }
            writer.setOutput(out);
            writer.write(new IIOImage(image, null, metadata));
        } catch (IIOInvalidTreeException e) {
            throw new IOException("a text entry is not valid: " + e.getMessage(), e);
        } finally {
            writer.dispose();
        }
    }

    /// Latin-1 texts become tEXt chunks, others iTXt (UTF-8).
    private static Node textEntries(Map<String, String> text) {
        IIOMetadataNode latin = new IIOMetadataNode("tEXt");
        IIOMetadataNode unicode = new IIOMetadataNode("iTXt");
        text.forEach((keyword, value) -> {
            boolean plain = StandardCharsets.ISO_8859_1.newEncoder().canEncode(value);
            IIOMetadataNode entry = new IIOMetadataNode(plain ? "tEXtEntry" : "iTXtEntry");
            entry.setAttribute("keyword", keyword);
            if (plain) {
                entry.setAttribute("value", value);
                latin.appendChild(entry);
            } else {
                entry.setAttribute("compressionFlag", "FALSE");
                entry.setAttribute("compressionMethod", "0");
                entry.setAttribute("languageTag", "");
                entry.setAttribute("translatedKeyword", "");
                entry.setAttribute("text", value);
                unicode.appendChild(entry);
            }
        });
        IIOMetadataNode root = new IIOMetadataNode(PNG_FORMAT);
        for (IIOMetadataNode node : List.of(latin, unicode)) {
            if (node.hasChildNodes()) {
                root.appendChild(node);
            }
        }
        return root;
    }

    private static String reason(IOException e) {
        String kind = switch (e) {
            case java.nio.file.AccessDeniedException denied -> "access is denied";
            case java.nio.file.FileAlreadyExistsException exists -> "a file is in the way of its folder";
            case java.nio.file.NotDirectoryException notDirectory -> "its folder is a file";
            default -> null;
        };
        return kind != null ? kind : String.valueOf(e.getMessage());
    }

    private static void deleteQuietly(@org.jspecify.annotations.Nullable Path part) {
        if (part == null) {
            return;
        }
        try {
            Files.deleteIfExists(part);
        } catch (IOException e) {
            System.getLogger(ImageFiles.class.getName())
                    .log(System.Logger.Level.WARNING, "{0}: a leftover part file cannot be removed", part);
        }
    }
}
