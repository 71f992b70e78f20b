package dev.palimpsest.weights;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/// Writes stored records one after another and their directory behind them (APPNOTE.TXT 6.3), with the 64-bit
/// forms where numbers need them, as PyTorch does: a record's size and checksum follow it, so that nothing has to
/// be known or gone back to, and padding in an extra field of the local header aligns its bytes.
final class ZipWriter {
    private static final int LOCAL = 0x04034b50;
    private static final int DESCRIPTOR = 0x08074b50;
    private static final int CENTRAL = 0x02014b50;
    private static final int END = 0x06054b50;
    private static final int END_64 = 0x06064b50;
    private static final int END_64_LOCATOR = 0x07064b50;

    /// Sizes follow the record, and names are UTF-8.
    private static final int FLAGS = 1 << 3 | 1 << 11;

    private static final int LOCAL_BYTES = 30;
    private static final short PADDING = 'F' | 'B' << 8;
    private static final short WIDE = 1;

    /// A version of the format that knows the 64-bit forms.
    private static final short VERSION_NEEDED = 45;

    /// Stands in narrow fields for a number in a wide one.
    private static final long NARROW = 0xffffffffL;

    private static final int ALIGNMENT = 64;

    private final OutputFile out;
    private final String folder;
    private final List<Entry> entries = new ArrayList<>();

    private record Entry(byte[] name, int crc, long size, long header) {}

    /// @param folder in the archive, which all records lie in
    ZipWriter(OutputFile out, String folder) {
        this.out = out;
        this.folder = folder;
    }

    /// Writes a record of `size` bytes.
    void record(String name, long size, OutputFile.Content content) throws IOException {
        byte[] path = (folder + "/" + name).getBytes(StandardCharsets.UTF_8);
        long header = out.position();
        boolean wide = size >= NARROW;
        int before = LOCAL_BYTES + path.length + (wide ? 20 : 0) + 4;
        int padding = (int) Math.floorMod(-(header + before), (long) ALIGNMENT);
        ByteBuffer local = bytes(before + padding).putInt(LOCAL);
        local.putShort(VERSION_NEEDED).putShort((short) FLAGS).putShort((short) 0);
        local.putInt(0).putInt(0); // no date, and the checksum follows
        local.putInt(wide ? (int) NARROW : 0).putInt(wide ? (int) NARROW : 0);
        local.putShort((short) path.length).putShort((short) ((wide ? 20 : 0) + 4 + padding));
        local.put(path);
        if (wide) {
            local.putShort(WIDE).putShort((short) 16).putLong(size).putLong(size);
        }
        local.putShort(PADDING).putShort((short) padding);
        while (local.hasRemaining()) {
            local.put((byte) 'Z');
        }
        out.write(local);
        int crc = out.summed(content);
        ByteBuffer descriptor = bytes(wide ? 24 : 16).putInt(DESCRIPTOR).putInt(crc);
        if (wide) {
            descriptor.putLong(size).putLong(size);
        } else {
            descriptor.putInt((int) size).putInt((int) size);
        }
        out.write(descriptor);
        entries.add(new Entry(path, crc, size, header));
    }

    /// Writes the directory.
    void finish() throws IOException {
        long begin = out.position();
        for (Entry e : entries) {
            out.write(central(e));
        }
        long end = out.position();
        int count = entries.size();
        ByteBuffer tail = bytes(56 + 20 + 22);
        tail.putInt(END_64).putLong(44).putShort(VERSION_NEEDED).putShort(VERSION_NEEDED);
        tail.putInt(0)
                .putInt(0)
                .putLong(count)
                .putLong(count)
                .putLong(end - begin)
                .putLong(begin);
        tail.putInt(END_64_LOCATOR).putInt(0).putLong(end).putInt(1);
        short shown = (short) Math.min(count, 0xffff);
        tail.putInt(END).putShort((short) 0).putShort((short) 0).putShort(shown).putShort(shown);
        tail.putInt(narrow(end - begin)).putInt(narrow(begin)).putShort((short) 0);
        out.write(tail);
    }

    private static ByteBuffer central(Entry e) {
        boolean wideSize = e.size >= NARROW;
        boolean wideHeader = e.header >= NARROW;
        int wide = (wideSize ? 16 : 0) + (wideHeader ? 8 : 0);
        int extra = wide == 0 ? 0 : 4 + wide;
        ByteBuffer central = bytes(46 + e.name.length + extra).putInt(CENTRAL);
        central.putShort(VERSION_NEEDED)
                .putShort(VERSION_NEEDED)
                .putShort((short) FLAGS)
                .putShort((short) 0);
        central.putInt(0).putInt(e.crc).putInt(narrow(e.size)).putInt(narrow(e.size));
        central.putShort((short) e.name.length).putShort((short) extra).putShort((short) 0);
        central.putShort((short) 0)
                .putShort((short) 0)
                .putInt(0)
                .putInt(narrow(e.header))
                .put(e.name);
        if (wide > 0) {
            central.putShort(WIDE).putShort((short) wide);
        }
        if (wideSize) {
            central.putLong(e.size).putLong(e.size);
        }
        if (wideHeader) {
            central.putLong(e.header);
        }
        return central;
    }

    private static int narrow(long number) {
        return (int) Math.min(number, NARROW);
    }

    private static ByteBuffer bytes(int n) {
        return ByteBuffer.allocate(n).order(ByteOrder.LITTLE_ENDIAN);
    }
}
