package dev.palimpsest.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Shape;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;

class ScopeTest {
    private static final int BYTES = 4096;

    private static Tensor block() {
        return Tensor.zeros(BYTES / 4);
    }

    @Test
    void releasesTemporariesAndKeepsWhatIsReturned() {
        try (Scope scope = Scope.open()) {
            Tensor kept = scope.call(() -> {
                block();
                block();
                assertThat(scope.liveBytes()).isEqualTo(2L * BYTES);
                return block();
            });
            assertThat(scope.liveBytes()).isEqualTo(BYTES);
            assertThat(scope.peakBytes()).isEqualTo(3L * BYTES);
            assertThat(kept.get(0)).isZero();
        }
    }

    @Test
    void closingReleasesEverything() {
        Scope scope = Scope.open();
        Tensor kept = scope.call(ScopeTest::block);
        scope.close();
        scope.close();
        assertThat(scope.liveBytes()).isZero();
        assertThatThrownBy(() -> kept.get(0))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("made by full")
                .hasMessageContaining("Scope.run");
    }

    @Test
    void aReleasedTemporaryNamesTheOpThatMadeIt() {
        Tensor[] leaked = new Tensor[1];
        Scope.run(() -> {
            leaked[0] = block().add(1.0);
            return null;
        });
        assertThatThrownBy(() -> leaked[0].toFloatArray())
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("made by add");
    }

    @Test
    void aViewKeepsTheMemoryItShares() {
        try (Scope scope = Scope.open()) {
            Tensor view = scope.call(() -> {
                Tensor whole = Tensor.of(new float[] {1, 2, 3, 4, 5, 6}, 2, 3);
                return whole.slice(1, 1, 3).transpose(0, 1);
            });
            assertThat(view.toFloatArray()).containsExactly(2, 5, 3, 6);
        }
    }

    @Test
    void tensorsInsideCollectionsEscapeToo() {
        try (Scope scope = Scope.open()) {
            List<Tensor> list = scope.call(() -> List.of(block(), block()));
            Map<String, Tensor> map = scope.call(() -> Map.of("a", block()));
            Optional<Tensor> optional = scope.call(() -> Optional.of(block()));
            Tensor[] array = scope.call(() -> new Tensor[] {block()});
            assertThat(scope.liveBytes()).isEqualTo(5L * BYTES);
            assertThat(list.get(1).get(0)).isZero();
            assertThat(map.values()).allSatisfy(t -> assertThat(t.get(0)).isZero());
            assertThat(optional.orElseThrow().get(0)).isZero();
            assertThat(array[0].get(0)).isZero();
        }
    }

    @Test
    void anInputReturnedFromAnInnerScopeStaysWithItsOwner() {
        try (Scope scope = Scope.open()) {
            Tensor outer = scope.call(ScopeTest::block);
            Tensor same = scope.call(() -> Scope.run(() -> outer));
            assertThat(same).isSameAs(outer);
            assertThat(scope.liveBytes()).isEqualTo(BYTES);
            assertThat(same.get(0)).isZero();
        }
    }

    @Test
    void memoryIsReusedAndTheCountersReturnToWhereTheyWere() {
        try (Scope scope = Scope.open()) {
            scope.call(() -> {
                Tensor.zeros(1 << 20);
                return null;
            });
            long reserved = Scope.reservedBytes();
            for (int i = 0; i < 20; i++) {
                scope.call(() -> {
                    Tensor.zeros(1 << 20);
                    return null;
                });
            }
            assertThat(Scope.reservedBytes()).isEqualTo(reserved);
            assertThat(scope.liveBytes()).isZero();
            assertThat(scope.peakBytes()).isEqualTo(4L << 20);
        }
    }

    @Test
    void anExceptionReleasesWhatWasMade() {
        try (Scope scope = Scope.open()) {
            assertThatThrownBy(() -> scope.call(() -> {
                        block();
                        throw new IllegalArgumentException("stop");
                    }))
                    .hasMessage("stop");
            assertThat(scope.liveBytes()).isZero();
        }
    }

    @Test
    void aScopeCanKeepWhatAnInnerOneMade() {
        Scope.run(() -> {
            Scope outer = Scope.current();
            Tensor[] seen = new Tensor[1];
            Scope.run(() -> {
                seen[0] = outer.keep(block().add(3.0).slice(0, 1, 2));
                outer.keep(seen[0]);
                return null;
            });
            assertThat(seen[0].item()).isEqualTo(3);
            assertThat(outer.liveBytes()).isEqualTo(BYTES);
            return null;
        });
    }

    @Test
    void aPathIsAnOrdinaryResult() {
        Path path = Path.of("a", "b");
        assertThat(Scope.run(() -> path)).isSameAs(path);
    }

    @Test
    void tensorsNeedAScope() {
        assertThatThrownBy(ScopeTest::block)
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("no scope is open");
    }

    @Test
    void aTensorCannotLeaveTheOutermostScope() {
        assertThatThrownBy(() -> Scope.run(ScopeTest::block))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("outermost scope");
    }

    @Test
    void aScopeRefusesOtherThreads() throws InterruptedException {
        try (Scope scope = Scope.open()) {
            AtomicReference<Exception> seen = new AtomicReference<>();
            Thread other = new Thread(() -> {
                try {
                    scope.call(ScopeTest::block);
                } catch (IllegalStateException e) {
                    seen.set(e);
                }
            });
            other.start();
            other.join();
            assertThat(seen.get()).hasMessageContaining("belongs to the thread");
        }
    }

    @Test
    void aBorrowedTensorCostsNothingAndFailsClearlyAfterItsMemoryIsClosed() {
        Arena arena = Arena.ofConfined();
        try (Scope scope = Scope.open()) {
            Tensor borrowed =
                    Tensor.borrow(NdArray.of(arena.allocate(16, 4), DType.F32, Shape.of(4)), "checkpoint.weight");
            scope.call(() -> {
                assertThat(borrowed.add(2.0).toFloatArray()).containsExactly(2, 2, 2, 2);
                return null;
            });
            assertThat(scope.liveBytes()).isZero();
            arena.close();
            assertThatThrownBy(borrowed::array)
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("checkpoint.weight");
        }
    }
}
