package dev.palimpsest.kernels.x86;

import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/// Which memory the calls of a band fetch.
class PrefetchesTest {
    private static final long NOTHING = 7;

    /// What a call fetches: from where, and how far at a time.
    private record Fetch(long address, long step) {}

    private static List<Fetch> shares(Prefetches prefetches, int calls, long passes) {
        List<Fetch> shares = new ArrayList<>();
        try (Arena arena = Arena.ofConfined()) {
            Arguments tile = new Arguments(arena.allocate(256, 64));
            for (int i = 0; i < calls; i++) {
                prefetches.share(tile, passes, NOTHING);
                shares.add(new Fetch(
                        tile.block().get(JAVA_LONG, TileGenerator.NEXT),
                        tile.block().get(JAVA_LONG, TileGenerator.NEXT_STEP)));
            }
        }
        return shares;
    }

    @Test
    void theCallsShareOnePieceEvenly() {
        Prefetches prefetches = new Prefetches();
        prefetches.begin(4);
        prefetches.add(1000, 4000);

        assertThat(shares(prefetches, 5, 100))
                .containsExactly(
                        new Fetch(1000, 10),
                        new Fetch(2000, 10),
                        new Fetch(3000, 10),
                        new Fetch(4000, 10),
                        new Fetch(NOTHING, 0));
    }

    @Test
    void aCallFetchesFromOnePieceAndTheLastOnesAreNotForgotten() {
        Prefetches prefetches = new Prefetches();
        prefetches.begin(5);
        for (int i = 0; i < 40; i++) {
            prefetches.add(1000L * i, i < 38 ? 0 : 300);
        }

        assertThat(shares(prefetches, 5, 3))
                .containsExactly(
                        new Fetch(38_000, 40),
                        new Fetch(38_120, 40),
                        new Fetch(38_240, 20),
                        new Fetch(39_000, 50),
                        new Fetch(39_150, 50));
    }

    @Test
    void noCallFetchesFasterThanItCanNorWithoutSteps() {
        Prefetches prefetches = new Prefetches();
        prefetches.begin(2);
        prefetches.add(64, 1_000_000);

        assertThat(shares(prefetches, 2, 10))
                .containsExactly(new Fetch(64, TileGenerator.FETCHED), new Fetch(500_064, TileGenerator.FETCHED));

        prefetches.begin(2);
        prefetches.add(64, 100);
        assertThat(shares(prefetches, 2, 0)).containsOnly(new Fetch(NOTHING, 0));

        prefetches.begin(1);
        assertThat(shares(prefetches, 1, 10)).containsExactly(new Fetch(NOTHING, 0));
    }
}
