package dev.palimpsest.weights;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.zip.CRC32;
import java.util.zip.Deflater;

/// Writes zip archives as PyTorch does, and in the ways that it does not.
final class ZipBytes {
    private final ByteArrayOutputStream local = new ByteArrayOutputStream();
    private final ByteArrayOutputStream central = new ByteArrayOutputStream();
    private int count;
    private int flags;
    private boolean deflate;
    private boolean sizesFollow;
    private boolean wide;
    private int align = 1;

    /// An archive of PyTorch: `data.pkl` and one record per storage.
    static byte[] torch(byte[] pickle, Map<String, byte[]> storages) {
        return new ZipBytes().torchRecords(pickle, storages).build();
    }

    ZipBytes torchRecords(byte[] pickle, Map<String, byte[]> storages) {
        add("archive/data.pkl", pickle);
        storages.forEach((key, bytes) -> add("archive/data/" + key, bytes));
        return add("archive/version", "3\n".getBytes(StandardCharsets.US_ASCII));
    }

    /// Compresses the records that follow.
    ZipBytes deflating() {
        deflate = true;
        return this;
    }

    /// Leaves the sizes out of the local headers of the records that follow, and puts them behind the data.
    ZipBytes sizesFollow() {
        sizesFollow = true;
        return this;
    }

    /// Writes sizes and places of the records that follow, and the end, as 64-bit numbers.
    ZipBytes wide() {
        wide = true;
        return this;
    }

    /// Pads the local headers of the records that follow so that the data begins at a multiple.
    ZipBytes aligned(int bytes) {
        align = bytes;
        return this;
    }

    ZipBytes flags(int value) {
        flags = value;
        return this;
    }

    ZipBytes add(String name, byte[] content) {
        CRC32 crc = new CRC32();
        crc.update(content);
        return add(name, content, (int) crc.getValue(), deflate ? 8 : 0);
    }

    ZipBytes add(String name, byte[] content, int crc, int method) {
        byte[] packed = method == 8 ? deflated(content) : content;
        byte[] utf8 = name.getBytes(StandardCharsets.UTF_8);
        int header = local.size();
        int bits = flags | (sizesFollow ? 8 : 0);
        int padding = Math.floorMod(-(header + 30 + utf8.length + 4), align);
        byte[] extra = align == 1
                ? new byte[0]
                : little(4 + padding)
                        .putShort((short) 0x4246)
                        .putShort((short) padding)
                        .array();
        local.writeBytes(little(30)
                .putInt(0x04034b50)
                .putShort((short) 20)
                .putShort((short) bits)
                .putShort((short) method)
                .putInt(0)
                .putInt(sizesFollow ? 0 : crc)
                .putInt(sizesFollow ? 0 : packed.length)
                .putInt(sizesFollow ? 0 : content.length)
                .putShort((short) utf8.length)
                .putShort((short) extra.length)
                .array());
        local.writeBytes(utf8);
        local.writeBytes(extra);
        local.writeBytes(packed);
        if (sizesFollow) {
            local.writeBytes(little(16)
                    .putInt(0x08074b50)
                    .putInt(crc)
                    .putInt(packed.length)
                    .putInt(content.length)
                    .array());
        }
        byte[] wideExtra = wide
                ? little(28)
                        .putShort((short) 1)
                        .putShort((short) 24)
                        .putLong(content.length)
                        .putLong(packed.length)
                        .putLong(header)
                        .array()
                : new byte[0];
        central.writeBytes(little(46)
                .putInt(0x02014b50)
                .putShort((short) 20)
                .putShort((short) 20)
                .putShort((short) bits)
                .putShort((short) method)
                .putInt(0)
                .putInt(crc)
                .putInt(wide ? -1 : packed.length)
                .putInt(wide ? -1 : content.length)
                .putShort((short) utf8.length)
                .putShort((short) wideExtra.length)
                .putShort((short) 0)
                .putShort((short) 0)
                .putShort((short) 0)
                .putInt(0)
                .putInt(wide ? -1 : header)
                .array());
        central.writeBytes(utf8);
        central.writeBytes(wideExtra);
        count++;
        return this;
    }

    byte[] build() {
        int begin = local.size();
        int size = central.size();
        var out = new ByteArrayOutputStream();
        out.writeBytes(local.toByteArray());
        out.writeBytes(central.toByteArray());
        if (wide) {
            out.writeBytes(little(56)
                    .putInt(0x06064b50)
                    .putLong(44)
                    .putShort((short) 45)
                    .putShort((short) 45)
                    .putInt(0)
                    .putInt(0)
                    .putLong(count)
                    .putLong(count)
                    .putLong(size)
                    .putLong(begin)
                    .array());
            out.writeBytes(little(20)
                    .putInt(0x07064b50)
                    .putInt(0)
                    .putLong(begin + size)
                    .putInt(1)
                    .array());
        }
        out.writeBytes(little(22)
                .putInt(0x06054b50)
                .putShort((short) 0)
                .putShort((short) 0)
                .putShort((short) (wide ? -1 : count))
                .putShort((short) (wide ? -1 : count))
                .putInt(wide ? -1 : size)
                .putInt(wide ? -1 : begin)
                .putShort((short) 0)
                .array());
        return out.toByteArray();
    }

    private static ByteBuffer little(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    static byte[] deflated(byte[] content) {
        Deflater deflater = new Deflater(9, true);
        deflater.setInput(content);
        deflater.finish();
        var out = new ByteArrayOutputStream();
        byte[] chunk = new byte[1024];
        while (!deflater.finished()) {
            out.write(chunk, 0, deflater.deflate(chunk));
        }
        deflater.end();
        return out.toByteArray();
    }
}
