package dev.palimpsest.weights;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.CRC32;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;
import org.jspecify.annotations.Nullable;

/// The records of a mapped zip archive, with the place of each in the file, so that stored ones can be used where they
/// lie.
///
/// `java.util.zip` cannot tell where a record's bytes are. This reader takes the central directory as the truth
/// (APPNOTE.TXT 6.3, sections 4.3 and 4.5.3), with the 64-bit extension, compares every local header with it, and
/// refuses what an archive of weights has no use for: several disks, encryption, other methods than stored and
/// deflated, records that overlap, names that appear twice or lead out of the archive, and anything between the
/// directory and the end of the archive.
final class ZipDirectory {
    /// A record's own checksum is looked at only up to this size when it is first used; larger ones cost too much, and
    /// [#verify] reads them.
    static final long LARGEST_CHECKED = 1L << 20;

    private static final int LOCAL = 0x04034b50;
    private static final int CENTRAL = 0x02014b50;
    private static final int END = 0x06054b50;
    private static final int END_64 = 0x06064b50;
    private static final int END_64_LOCATOR = 0x07064b50;

    private static final int LOCAL_BYTES = 30;
    private static final int CENTRAL_BYTES = 46;
    private static final int END_BYTES = 22;
    private static final int END_64_BYTES = 56;
    private static final int END_64_LOCATOR_BYTES = 20;
    private static final int LONGEST_COMMENT = 0xffff;

    private static final int STORED = 0;
    private static final int DEFLATED = 8;
    private static final int ENCRYPTED = 1 | 1 << 6 | 1 << 13;
    private static final int SIZES_FOLLOW = 1 << 3;

    /// Deflate cannot do better than this.
    private static final long BEST_RATIO = 1032;

    private static final int CHUNK = 1 << 16;

    private final MappedFile file;
    private final Map<String, Entry> records;

    private ZipDirectory(MappedFile file, Map<String, Entry> records) {
        this.file = file;
        this.records = Collections.unmodifiableMap(records);
    }

    /// A file in the archive.
    ///
    /// @param name path inside the archive
    /// @param deflated whether its bytes are compressed
    /// @param crc CRC-32 of the uncompressed bytes
    /// @param compressed number of bytes in the archive
    /// @param size number of bytes when uncompressed
    /// @param header where its local header begins
    /// @param begin where its bytes begin
    record Entry(String name, boolean deflated, int crc, long compressed, long size, long header, long begin) {
        long end() {
            return begin + compressed;
        }
    }

    /// Reads and checks the directory of an archive.
    static ZipDirectory read(MappedFile file) {
        Extent extent = Extent.find(file);
        Map<String, Entry> records = new LinkedHashMap<>();
        long at = extent.begin();
        for (long i = 0; i < extent.count(); i++) {
            if (at > extent.end() - CENTRAL_BYTES || file.i32(at) != CENTRAL) {
                throw file.broken(at, "the zip directory promises " + extent.count() + " records and ends after " + i);
            }
            int nameLength = file.u16(at + 28);
            int extraLength = file.u16(at + 30);
            long next = at + CENTRAL_BYTES + nameLength + extraLength + file.u16(at + 32);
            if (next > extent.end()) {
                throw file.broken(at, "an entry of the zip directory runs past the directory's end");
            }
            Entry record = readEntry(file, at, nameLength, extraLength, extent.begin());
            if (records.put(record.name(), record) != null) {
                throw file.broken(at, "zip record " + CheckpointException.quote(record.name()) + " is listed twice");
            }
            at = next;
        }
        if (at != extent.end()) {
            throw file.broken(at, "the zip directory goes on after its " + extent.count() + " records");
        }
        checkOverlaps(file, records.values());
        return new ZipDirectory(file, records);
    }

    /// All records in the order of the directory.
    Collection<Entry> records() {
        return records.values();
    }

    /// The record with this path, or null.
    @Nullable
    Entry find(String name) {
        return records.get(name);
    }

    /// The bytes of a record: where they lie in the file if they are stored, otherwise a copy that lives as long as
    /// the file's mapping. The caller keeps copies within bounds.
    MemorySegment content(Entry record) {
        if (!record.deflated()) {
            if (record.size() <= LARGEST_CHECKED) {
                verify(record);
            }
            return file.slice(record.begin(), record.size());
        }
        // The first pass shows that the promised size is true; memory is allocated only then.
        verify(record);
        MemorySegment target = file.arena().allocate(record.size(), 64);
        long[] at = {0};
        inflate(record, (chunk, length) -> {
            MemorySegment.copy(chunk, 0, target, ValueLayout.JAVA_BYTE, at[0], length);
            at[0] += length;
        });
        return target.asReadOnly();
    }

    /// Reads a whole record and compares it with its size and checksum. A checksum of 0 stands for none: PyTorch can
    /// be told to save the time.
    void verify(Entry record) {
        CRC32 crc = new CRC32();
        if (record.deflated()) {
            long[] size = {0};
            inflate(record, (chunk, length) -> {
                crc.update(chunk, 0, length);
                size[0] += length;
            });
            if (size[0] != record.size()) {
                throw fault(record, "unpacks to " + size[0] + " bytes instead of " + record.size());
            }
        } else {
            byte[] chunk = new byte[(int) Math.min(CHUNK, record.size())];
            for (long at = 0; at < record.size(); at += chunk.length) {
                int length = (int) Math.min(chunk.length, record.size() - at);
                MemorySegment.copy(file.slice(record.begin() + at, length), ValueLayout.JAVA_BYTE, 0, chunk, 0, length);
                crc.update(chunk, 0, length);
            }
        }
        if (record.crc() != 0 && (int) crc.getValue() != record.crc()) {
            throw fault(
                    record,
                    "is damaged: its CRC-32 is %08x instead of %08x".formatted((int) crc.getValue(), record.crc()));
        }
    }

    /// An error in a record.
    CheckpointException fault(Entry record, String reason) {
        return file.broken(record.begin(), "zip record " + CheckpointException.quote(record.name()) + " " + reason);
    }

    private interface Sink {
        void accept(byte[] chunk, int length);
    }

    /// Unpacks a record piece by piece, and stops when there is more than the directory promised.
    private void inflate(Entry record, Sink sink) {
        byte[] in = new byte[CHUNK];
        byte[] out = new byte[CHUNK];
        long read = 0;
        long written = 0;
        Inflater inflater = new Inflater(true);
        try {
            while (!inflater.finished()) {
                if (inflater.needsInput()) {
                    int length = (int) Math.min(CHUNK, record.compressed() - read);
                    if (length == 0) {
                        throw fault(record, "ends in the middle of its compressed data");
                    }
                    MemorySegment.copy(
                            file.slice(record.begin() + read, length), ValueLayout.JAVA_BYTE, 0, in, 0, length);
                    inflater.setInput(in, 0, length);
                    read += length;
                }
                int length = inflater.inflate(out);
                if (length == 0 && inflater.needsDictionary()) {
                    throw fault(record, "needs a preset dictionary");
                }
                written += length;
                if (written > record.size()) {
                    throw fault(record, "unpacks to more than the promised " + record.size() + " bytes");
                }
                sink.accept(out, length);
            }
        } catch (DataFormatException e) {
            throw fault(record, "is not valid deflate data");
        } finally {
            inflater.end();
        }
    }

    /// Where the central directory lies.
    private record Extent(long begin, long end, long count) {
        static Extent find(MappedFile file) {
            long end = findEnd(file);
            long count = file.u16(end + 10);
            long size = file.u32(end + 12);
            long begin = file.u32(end + 16);
            if ((file.u16(end + 4) != 0 && file.u16(end + 4) != 0xffff) || file.u16(end + 8) > count) {
                throw file.broken(end, "the zip archive is split over several disks");
            }
            long directoryEnd = end;
            long locator = end - END_64_LOCATOR_BYTES;
            if (locator >= 0 && file.i32(locator) == END_64_LOCATOR) {
                directoryEnd = file.i64(locator + 8);
                if (directoryEnd < 0
                        || directoryEnd > locator - END_64_BYTES
                        || file.i32(directoryEnd) != END_64
                        || file.i64(directoryEnd + 4) != locator - directoryEnd - 12) {
                    throw file.broken(locator, "the zip archive's 64-bit end record is damaged");
                }
                count = widened(file, end, count, 0xffffL, file.i64(directoryEnd + 32));
                size = widened(file, end, size, 0xffffffffL, file.i64(directoryEnd + 40));
                begin = widened(file, end, begin, 0xffffffffL, file.i64(directoryEnd + 48));
            }
            if (begin < 0 || size < 0 || begin > directoryEnd || begin + size != directoryEnd) {
                throw file.broken(
                        end,
                        "the zip directory is not where the archive's end says, directly before it; the file is"
                                + " damaged or has something put before the archive");
            }
            if (count < 0 || count > size / CENTRAL_BYTES) {
                throw file.broken(end, "the zip directory of " + size + " bytes cannot hold " + count + " records");
            }
            return new Extent(begin, directoryEnd, count);
        }

        private static long widened(MappedFile file, long end, long narrow, long mark, long wide) {
            if (narrow != mark && narrow != wide) {
                throw file.broken(end, "the zip archive's two end records contradict each other");
            }
            return wide;
        }

        /// The end record: the last thing in the file but for a comment, whose length must fit.
        private static long findEnd(MappedFile file) {
            long last = file.size() - END_BYTES;
            for (long at = last; at >= Math.max(0, last - LONGEST_COMMENT); at--) {
                if (file.i32(at) == END && file.u16(at + 20) == last - at) {
                    return at;
                }
            }
            throw file.broken(
                    -1, "begins like a zip archive but has no zip directory at its end; it is cut off or damaged");
        }
    }

    private static Entry readEntry(MappedFile file, long at, int nameLength, int extraLength, long directory) {
        String name = name(file, at, file.bytes(at + CENTRAL_BYTES, nameLength));
        int flags = file.u16(at + 8);
        int method = file.u16(at + 10);
        String what = "zip record " + CheckpointException.quote(name);
        if ((flags & ENCRYPTED) != 0) {
            throw file.broken(at, what + " is encrypted");
        }
        if (method != STORED && method != DEFLATED) {
            throw file.broken(at, what + " is compressed by method " + method + "; only stored and deflated are known");
        }
        long size = file.u32(at + 24);
        long compressed = file.u32(at + 20);
        long header = file.u32(at + 42);
        Zip64 wide = new Zip64(file, at + CENTRAL_BYTES + nameLength, extraLength, what);
        size = wide.next(size);
        compressed = wide.next(compressed);
        header = wide.next(header);
        if (header < 0 || header > directory - LOCAL_BYTES || file.i32(header) != LOCAL) {
            throw file.broken(at, what + " is not at byte " + header + ", where the directory says");
        }
        int localName = file.u16(header + 26);
        long begin = header + LOCAL_BYTES + localName + file.u16(header + 28);
        if (size < 0 || compressed < 0 || begin > directory || compressed > directory - begin) {
            throw file.broken(at, what + " runs past the last record's end");
        }
        if (method == STORED ? size != compressed : size / BEST_RATIO > compressed) {
            throw file.broken(at, what + " cannot hold " + size + " bytes in " + compressed);
        }
        int crc = file.i32(at + 16);
        boolean sameName = localName == nameLength
                && file.slice(header + LOCAL_BYTES, nameLength).mismatch(file.slice(at + CENTRAL_BYTES, nameLength))
                        < 0;
        int localFlags = file.u16(header + 6);
        boolean sameSizes = file.i32(header + 14) == crc
                && sameSize(file.u32(header + 18), compressed)
                && sameSize(file.u32(header + 22), size);
        boolean agrees = sameName
                && file.u16(header + 8) == method
                && (localFlags & ENCRYPTED) == 0
                && (sameSizes || (localFlags & SIZES_FOLLOW) != 0);
        if (!agrees) {
            throw file.broken(header, what + " has a header that contradicts the zip directory");
        }
        return new Entry(name, method == DEFLATED, crc, compressed, size, header, begin);
    }

    private static boolean sameSize(long local, long central) {
        return local == central || local == 0xffffffffL;
    }

    private static String name(MappedFile file, long at, byte[] bytes) {
        String name;
        try {
            name = StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes))
                    .toString();
        } catch (CharacterCodingException e) {
            throw file.broken(at, "the name of a zip record is not valid UTF-8");
        }
        // A folder's own entry ends with a slash.
        String path = name.endsWith("/") ? name.substring(0, name.length() - 1) : name;
        for (String part : path.split("/", -1)) {
            if (part.isEmpty()
                    || part.equals(".")
                    || part.equals("..")
                    || part.chars().anyMatch(c -> c == '\\' || c < ' ')) {
                throw file.broken(
                        at, "zip record " + CheckpointException.quote(name) + " is not named by a plain path");
            }
        }
        return name;
    }

    private static void checkOverlaps(MappedFile file, Collection<Entry> records) {
        List<Entry> byPlace = new ArrayList<>(records);
        byPlace.sort(Comparator.comparingLong(Entry::header));
        long end = 0;
        for (Entry r : byPlace) {
            if (r.header() < end) {
                throw file.broken(
                        r.header(),
                        "zip record " + CheckpointException.quote(r.name()) + " overlaps the one before it");
            }
            end = r.end();
        }
    }

    /// The extra field that holds what does not fit in 32 bits, in a fixed order and only that.
    private static final class Zip64 {
        private static final int ID = 1;

        private final MappedFile file;
        private final String what;
        private long at;
        private final long end;

        Zip64(MappedFile file, long extra, int length, String what) {
            this.file = file;
            this.what = what;
            long from = extra;
            long to = extra;
            for (long i = extra; i + 4 <= extra + length; i += 4 + file.u16(i + 2)) {
                if (file.u16(i) == ID) {
                    from = i + 4;
                    to = Math.min(from + file.u16(i + 2), extra + length);
                    break;
                }
            }
            this.at = from;
            this.end = to;
        }

        long next(long narrow) {
            if (narrow != 0xffffffffL) {
                return narrow;
            }
            if (at + 8 > end) {
                throw file.broken(at, what + " lacks its 64-bit sizes");
            }
            at += 8;
            return file.i64(at - 8);
        }
    }
}
