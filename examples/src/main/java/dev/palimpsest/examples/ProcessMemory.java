package dev.palimpsest.examples;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/// Memory of this process as the operating system counts it.
final class ProcessMemory {
    private static final Path STATUS = Path.of("/proc/self/status");
    private static final String LARGEST = "VmHWM:";

    private ProcessMemory() {}

    /// The largest resident size so far in bytes, 0 where the system does not tell. Weights that are mapped count as
    /// far as they have been read; the system can take their memory back at any time.
    static long peakBytes() {
        if (!Files.isReadable(STATUS)) {
            return 0;
        }
        try {
            for (String line : Files.readAllLines(STATUS)) {
                if (line.startsWith(LARGEST)) {
                    return Long.parseLong(line.replaceAll("\\D", "")) * 1024;
                }
            }
            return 0;
        } catch (IOException e) {
            return 0;
        }
    }

    /// The largest resident size so far for people, behind a comma; empty where the system does not tell.
    static String text() {
        long bytes = peakBytes();
        return bytes == 0 ? "" : ", memory at most " + Text.bytes(bytes) + " with mapped weights";
    }
}
