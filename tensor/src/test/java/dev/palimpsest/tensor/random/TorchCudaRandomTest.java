package dev.palimpsest.tensor.random;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.palimpsest.tensor.random.GoldenTensors.Golden;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

class TorchCudaRandomTest {

    /// One multiprocessor with one block of threads, so that small draws already go round.
    private static final CudaDevice SMALL = new CudaDevice(1, 256);

    static List<Golden> goldens() {
        return GoldenTensors.read("torch_cuda.safetensors");
    }

    @Test
    void theGoldenFileHoldsAllSeedsShapesAndCalls() {
        assertThat(goldens()).hasSize(3 * 3 * 3);
    }

    @ParameterizedTest
    @MethodSource("goldens")
    void reproducesTheGoldenStreamToTheLastBit(Golden golden) {
        assertThat(golden.function()).isEqualTo("randn");
        int call = Integer.parseInt(golden.rest().substring(golden.rest().length() - 1));
        var random = new TorchCudaRandom(golden.seed());
        var values = new float[golden.count()];
        for (int i = 0; i <= call; i++) {
            assertThat(random.offset()).isEqualTo(4L * i);
            random.randn(values);
        }
        assertThat(values).isEqualTo(golden.floats());
    }

    @ParameterizedTest
    @CsvSource({
        // The known answers of the Random123 library: counter words, key words, result words.
        "00000000 00000000 00000000 00000000, 00000000 00000000, 6627e8d5 e169c58d bc57ac4c 9b00dbd8",
        "ffffffff ffffffff ffffffff ffffffff, ffffffff ffffffff, 408f276d 41c83b0e a20bc7c6 6d5451fd",
        "243f6a88 85a308d3 13198a2e 03707344, a4093822 299f31d0, d16cfe09 94fdcceb 5001e420 24126ea1"
    })
    void theBlockFunctionIsPhilox4x32With10Rounds(String counter, String key, String result) {
        var c = words(counter);
        var k = words(key);
        var block = new int[4];
        Philox.block(join(k[0], k[1]), join(c[2], c[3]), join(c[0], c[1]), block);
        assertThat(block).isEqualTo(words(result));
    }

    @ParameterizedTest
    @CsvSource({"256, 4", "257, 4", "1024, 4", "1025, 8", "2100, 12"})
    void aThreadMakesFourElementsARoundAtTheStrideOfAllThreads(int count, long offsetAfter) {
        long seed = 0x1234_5678_9abc_def0L;
        var random = new TorchCudaRandom(seed, SMALL);
        random.rand(new float[5]); // moves the offset to 4
        var values = new float[count];
        random.randn(values);

        assertThat(random.offset()).isEqualTo(4 + offsetAfter);
        var block = new int[4];
        for (int i = 0; i < count; i++) {
            int thread = i % 256;
            int k = i / 256 % 4;
            int round = i / 1024;
            Philox.block(seed, thread, 1 + round, block);
            double u = (Integer.toUnsignedLong(block[k / 2 * 2]) + 0.5) / 0x1p32;
            double v = (Integer.toUnsignedLong(block[k / 2 * 2 + 1]) + 0.5) / 0x1p32;
            double angle = 2 * Math.PI * v;
            double expected = Math.sqrt(-2 * Math.log(u)) * (k % 2 == 0 ? Math.sin(angle) : Math.cos(angle));
            assertThat((double) values[i]).as("element %d", i).isCloseTo(expected, within(1e-5));
        }
    }

    @Test
    void smallDrawsDoNotDependOnTheDevice() {
        var values = new float[1000];
        var others = new float[1000];
        new TorchCudaRandom(7, CudaDevice.A100).randn(values);
        new TorchCudaRandom(7, CudaDevice.RTX_4090).randn(others);
        assertThat(others).isEqualTo(values);
    }

    @Test
    void drawsLargerThanTheDeviceDependOnIt() {
        int count = (int) CudaDevice.A100.residentThreads() + 1;
        assertThat(count).isEqualTo(221_185);
        var onA100 = new float[count];
        var onH100 = new float[count];
        new TorchCudaRandom(7, CudaDevice.A100).rand(onA100);
        new TorchCudaRandom(7, CudaDevice.H100).rand(onH100);
        var block = new int[4];
        Philox.block(7, 0, 0, block);
        assertThat(onA100[count - 1]).as("second element of thread 0").isEqualTo(TorchCudaRandom.uniform(block[1]));
        Philox.block(7, count - 1, 0, block);
        assertThat(onH100[count - 1])
                .as("first element of its own thread")
                .isEqualTo(TorchCudaRandom.uniform(block[0]));
    }

    @Test
    void uniformsLieInTheHalfOpenInterval() {
        assertThat(TorchCudaRandom.uniformBelowOne(0)).isEqualTo(0x1p-33f);
        assertThat(TorchCudaRandom.uniformBelowOne(0x8000_0000)).isEqualTo(0.5f);
        assertThat(TorchCudaRandom.uniform(0xffff_ffff)).isEqualTo(1);
        assertThat(TorchCudaRandom.uniformBelowOne(0xffff_ffff)).isZero();
    }

    @Test
    void exponentialsArePositive() {
        assertThat(TorchCudaRandom.exponential(1)).isEqualTo(0x1p-24f);
        assertThat(TorchCudaRandom.exponential(0.5f)).isEqualTo((float) Math.log(2));

        var uniforms = new float[1000];
        var exponentials = new float[1000];
        new TorchCudaRandom(3).rand(uniforms);
        new TorchCudaRandom(3).exponential(exponentials);
        for (int i = 0; i < uniforms.length; i++) {
            assertThat((double) exponentials[i]).isCloseTo(-Math.log(uniforms[i]), within(1e-6));
        }
    }

    @Test
    void anEmptyDrawLeavesTheOffset() {
        var random = new TorchCudaRandom(1);
        random.randn(new float[0]);
        assertThat(random.offset()).isZero();
    }

    @Test
    void aRestoredStateContinuesWhereItWasSaved() {
        var random = new TorchCudaRandom(-2, SMALL);
        random.randn(new float[3000]);
        var copy = random.copy();
        var restored = new TorchCudaRandom(0, SMALL);
        restored.restore(random.state());
        assertThat(restored.seed()).isEqualTo(-2);
        assertThat(restored.offset()).isEqualTo(12);

        var expected = new float[50];
        random.randn(expected);
        for (var other : List.of(copy, restored)) {
            var values = new float[50];
            other.randn(values);
            assertThat(values).isEqualTo(expected);
            assertThat(other.state()).isEqualTo(random.state());
        }
    }

    @Test
    void refusesStatesThatAreNotItsOwn() {
        var random = new TorchCudaRandom(0);
        assertThatThrownBy(() -> random.restore(new byte[5056]))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("CUDA generator state: 5056 bytes instead of 16; a CPU generator's state belongs to"
                        + " TorchCpuRandom");
        for (long offset : new long[] {-4, 3}) {
            var state = ByteBuffer.allocate(16).order(ByteOrder.LITTLE_ENDIAN).putLong(8, offset);
            assertThatThrownBy(() -> random.restore(state.array()))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("CUDA generator state: the offset " + offset + " is not a multiple of 4");
        }
    }

    @Test
    void refusesWhatItCannotFill() {
        assertThatThrownBy(() -> new TorchCudaRandom(0).exponential(MemorySegment.ofArray(new byte[3])))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("exponential: a segment of 3 bytes is no whole number of elements of 4 bytes");
        assertThatThrownBy(() -> new CudaDevice(4, 255))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("CUDA device: 4 multiprocessors of 255 threads cannot hold a block of 256 threads");
    }

    private static int[] words(String hex) {
        var parts = hex.split(" ", -1);
        var words = new int[parts.length];
        for (int i = 0; i < words.length; i++) {
            words[i] = Integer.parseUnsignedInt(parts[i], 16);
        }
        return words;
    }

    private static long join(int low, int high) {
        return Integer.toUnsignedLong(high) << 32 | Integer.toUnsignedLong(low);
    }
}
