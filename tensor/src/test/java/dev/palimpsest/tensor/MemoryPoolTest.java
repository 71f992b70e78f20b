package dev.palimpsest.tensor;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class MemoryPoolTest {
    private static final long MEBIBYTE = 1 << 20;

    private static List<MemoryPool.Block> acquire(MemoryPool pool, int count) {
        List<MemoryPool.Block> blocks = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            blocks.add(pool.acquire(4 * MEBIBYTE));
        }
        return blocks;
    }

    @Test
    void whatIsReleasedIsUsedAgain() {
        MemoryPool pool = new MemoryPool(16 * MEBIBYTE);
        MemoryPool.Block block = pool.acquire(4 * MEBIBYTE - 100);
        assertThat(block.memory.address() % MemoryPool.ALIGNMENT).isZero();
        pool.release(block);
        assertThat(pool.acquire(4 * MEBIBYTE - 100)).isSameAs(block);
        assertThat(pool.reservedBytes()).isEqualTo(block.bytes());
        assertThat(pool.usedBytes()).isEqualTo(block.bytes());
    }

    @Test
    void workThatGoesUpAndDownKeepsItsMemory() {
        MemoryPool pool = new MemoryPool(8 * MEBIBYTE);
        List<MemoryPool.Block> states = acquire(pool, 2);
        List<MemoryPool.Block> working = acquire(pool, 10);
        long most = pool.reservedBytes();
        for (int i = 0; i < 3; i++) {
            working.forEach(pool::release);
            assertThat(pool.reservedBytes()).isEqualTo(most);
            working = acquire(pool, 10);
            assertThat(pool.reservedBytes()).isEqualTo(most);
        }
        // other sizes take the place of those that nobody uses
        working.forEach(pool::release);
        for (int i = 0; i < 5; i++) {
            pool.acquire(8 * MEBIBYTE);
            assertThat(pool.reservedBytes()).isLessThanOrEqualTo(most + 8 * MEBIBYTE);
        }
        assertThat(states).hasSize(2);
    }

    @Test
    void afterTheWorkLittleIsKept() {
        MemoryPool pool = new MemoryPool(8 * MEBIBYTE);
        MemoryPool.Block model = pool.acquire(1000);
        List<MemoryPool.Block> working = acquire(pool, 10);
        working.forEach(pool::release);
        assertThat(pool.reservedBytes()).isEqualTo(8 * MEBIBYTE + model.bytes());
        assertThat(pool.usedBytes()).isEqualTo(model.bytes());
    }
}
