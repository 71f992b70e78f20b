package dev.palimpsest.kernels.x86;

import java.util.Arrays;

/// Memory that will be needed soon, which some calls of micro-kernels over patches bring closer meanwhile, each a part
/// of it: evenly, because a burst would keep the caches from what is needed at once.
final class Prefetches {
    private long[] addresses = new long[16];
    private long[] sizes = new long[16];
    private int count;
    private int next;
    private long left; // bytes
    private int calls;

    /// Forgets everything.
    ///
    /// @param calls how many there will be until this is called again
    void begin(int calls) {
        this.calls = calls;
        count = 0;
        next = 0;
        left = 0;
    }

    /// Adds one piece of memory.
    void add(long address, long bytes) {
        if (bytes <= 0) {
            return;
        }
        if (count == addresses.length) {
            addresses = Arrays.copyOf(addresses, 2 * count);
            sizes = Arrays.copyOf(sizes, 2 * count);
        }
        addresses[count] = address;
        sizes[count++] = bytes;
        left += bytes;
    }

    /// Lets the next call fetch its part.
    ///
    /// @param passes times that it fetches
    /// @param nothing an address that can be fetched without harm
    void share(Arguments tile, long passes, long nothing) {
        long share = calls <= 0 ? 0 : Math.ceilDiv(left, calls);
        calls--;
        if (share == 0 || passes == 0) {
            tile.set(TileGenerator.NEXT, nothing).set(TileGenerator.NEXT_STEP, 0);
            return;
        }
        long bytes = Math.min(share, sizes[next]);
        tile.set(TileGenerator.NEXT, addresses[next])
                .set(TileGenerator.NEXT_STEP, Math.min(TileGenerator.FETCHED, Math.ceilDiv(bytes, passes)));
        addresses[next] += bytes;
        sizes[next] -= bytes;
        left -= bytes;
        if (sizes[next] == 0) {
            next++;
        }
    }
}
