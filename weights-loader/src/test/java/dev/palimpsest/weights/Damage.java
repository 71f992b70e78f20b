package dev.palimpsest.weights;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Random;

/// Reads files that are broken, on purpose or at random.
final class Damage {
    /// Far above what reading a small file takes, far below what a hostile one asks for.
    private static final long MOST_ALLOCATED = 8L << 20;

    private Damage() {}

    /// Opens a file and touches every element of it. Any exception but the expected one escapes, and so does a large
    /// allocation.
    ///
    /// @return false if the file was refused
    static boolean readEverything(Path path) {
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long before = threads.getCurrentThreadAllocatedBytes();
        boolean read = attempt(path);
        if (threads.getCurrentThreadAllocatedBytes() - before >= MOST_ALLOCATED) {
            // the first time counts the loading of classes, too
            before = threads.getCurrentThreadAllocatedBytes();
            attempt(path);
            assertThat(threads.getCurrentThreadAllocatedBytes() - before).isLessThan(MOST_ALLOCATED);
        }
        if (read) {
            try (Checkpoint c = Checkpoint.open(path)) {
                c.names().stream()
                        .filter(name -> c.info(name).bytes() < MOST_ALLOCATED)
                        .forEach(name -> Bits.of(c.tensor(name)));
            }
        }
        return read;
    }

    private static boolean attempt(Path path) {
        try (Checkpoint c = Checkpoint.open(path)) {
            c.names().forEach(c::tensor);
            c.verify();
            return true;
        } catch (CheckpointException e) {
            assertThat(e).message().hasLineCount(1).hasSizeLessThan(1000);
            return false;
        }
    }

    /// Changes the last byte of a file in place.
    static void overwriteLast(Path path, byte value) throws IOException {
        byte[] bytes = Files.readAllBytes(path);
        bytes[bytes.length - 1] = value;
        Files.write(path, bytes, StandardOpenOption.WRITE);
    }

    /// Flips bits, overwrites bytes or cuts the end off, again and again.
    ///
    /// @return how often the file was refused
    static int refusals(Path path, byte[] whole, int times, long seed) throws IOException {
        Random random = new Random(seed);
        int refused = 0;
        for (int i = 0; i < times; i++) {
            byte[] bytes = whole.clone();
            for (int n = 1 + random.nextInt(3); n > 0; n--) {
                int at = random.nextInt(bytes.length);
                bytes[at] =
                        random.nextBoolean() ? (byte) (bytes[at] ^ 1 << random.nextInt(8)) : (byte) random.nextInt(256);
            }
            if (random.nextInt(8) == 0) {
                bytes = Arrays.copyOf(bytes, random.nextInt(bytes.length));
            }
            Files.write(path, bytes);
            refused += readEverything(path) ? 0 : 1;
        }
        return refused;
    }
}
