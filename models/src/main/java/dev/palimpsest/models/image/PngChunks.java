package dev.palimpsest.models.image;

import java.io.EOFException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.zip.CRC32;
import javax.imageio.stream.ImageInputStream;

/// The chunks of a PNG (ISO/IEC 15948, section 5): length, type, data and a checksum of type and data.
///
/// Java's decoder compares no checksums and may take a file that is cut off for a picture whose rest is black.
final class PngChunks {
    private static final byte[] SIGNATURE = {(byte) 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

    private PngChunks() {}

    /// Reads all chunks of a file that begins as a PNG; leaves the stream at its beginning.
    ///
    /// @throws IOException naming the first chunk that is damaged, or the lack of an end
    static void check(ImageInputStream in) throws IOException {
        in.seek(0);
        byte[] buffer = new byte[1 << 16];
        try {
            in.readFully(buffer, 0, SIGNATURE.length);
            String type;
            do {
                long length = in.readUnsignedInt();
                in.readFully(buffer, 0, 4);
                type = new String(buffer, 0, 4, StandardCharsets.ISO_8859_1);
                var crc = new CRC32();
                crc.update(buffer, 0, 4);
                while (length > 0) {
                    int n = (int) Math.min(length, buffer.length);
                    in.readFully(buffer, 0, n);
                    crc.update(buffer, 0, n);
                    length -= n;
                }
                if (in.readUnsignedInt() != crc.getValue()) {
                    throw new IOException(
                            "the checksum of its chunk " + type.replaceAll("[^A-Za-z]", "?") + " does not match");
                }
            } while (!type.equals("IEND"));
        } catch (EOFException e) {
            throw new IOException("it is cut off", e);
        } finally {
            in.seek(0);
        }
    }

    /// Whether a file begins as a PNG; leaves the stream at its beginning.
    static boolean isPng(ImageInputStream in) throws IOException {
        in.seek(0);
        byte[] start = new byte[SIGNATURE.length];
        int n = in.read(start);
        in.seek(0);
        return n == start.length && Arrays.equals(start, SIGNATURE);
    }
}
