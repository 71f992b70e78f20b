package dev.palimpsest.bench.compare;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class TableTest {
    private static final Map<Integer, Roofs> ROOFS =
            Map.of(1, new Roofs(100, 200, 400, 40, 30), 2, new Roofs(200, 400, 800, 50, 40));

    @Test
    void aLineHasTheLeastAndGreatestRatioOfEachNumberOfThreads() {
        List<Row> rows = List.of(
                row("gemm", "a", "f32", 1, "x86", "onednn", 0.5, 0.48),
                row("gemm", "b", "f32", 1, "x86", "onednn", 0.5, 0.6),
                row("gemm", "c", "f32", 1, "x86", "onednn", 0.5, 0.55),
                row("gemm", "a", "f32", 2, "x86", "onednn", 0.5, 0.5));

        assertThat(Table.of(rows, ROOFS))
                .containsExactly(
                        "| best of ours / best of theirs | at least | 1 thread | 2 threads |",
                        "|---|---|---|---|",
                        "| f32 product, M >= 256: `x86` / oneDNN | 0.97 | 0.96-1.20 | 1.00 |");
    }

    @Test
    void otherTypesGroupsProvidersAndPeersAreOtherQuestions() {
        List<Row> rows = List.of(
                row("gemm", "a", "f32", 1, "x86", "onednn", 1, 1),
                row("gemm", "a", "f32", 1, "x86", "libtorch", 1, 2),
                row("gemm", "a", "f32", 1, "vector", "libtorch", 1, 3),
                row("gemm", "a", "bf16", 1, "x86", "onednn", 1, 4),
                row("gemm16", "a", "f32", 1, "x86", "onednn", 1, 5),
                row("conv", "a", "f32", 1, "x86", "libtorch", 1, 6));

        assertThat(Table.of(rows, ROOFS).stream().skip(2))
                .containsExactly(
                        "| f32 product, M >= 256: `vector` / libtorch | 1.0 | 3.00 |",
                        "| f32 product, M >= 256: `x86` / oneDNN | 0.97 | 1.00 |",
                        "| bf16 product, M >= 256: `x86` / oneDNN | 0.97 | 4.00 |",
                        "| f32 product, M = 16: `x86` / oneDNN | 1.1 | 5.00 |",
                        "| convolution 3x3, f32: `x86` / libtorch | 1.0 | 6.00 |");
    }

    @Test
    void fewRowsAreComparedWithCopiesOfMemoryOnceWhateverThePeers() {
        List<Row> rows = List.of(
                row("gemv", "a", "bf16", 2, "x86", "onednn", 1.0 / 45, 1),
                row("gemv", "a", "bf16", 2, "x86", "libtorch", 1.0 / 45, 1),
                row("gemv", "b", "bf16", 2, "x86", "libtorch", 1.0 / 20, 1));

        assertThat(Table.of(rows, ROOFS))
                .contains("| bf16 product, M = 1 to 4: `x86` / copies of memory | 0.9 | 0.40-0.90 |");
    }

    @Test
    void blocksAndFunctionsAreToldApartByTheirShapes() {
        List<Row> rows = List.of(
                row("block", "infinity block, width 2048, last scale of 512x512: 1", "f32", 1, "x86", "libtorch", 1, 2),
                row(
                        "block",
                        "infinity block, width 2048, lora step over 521 tokens",
                        "f32",
                        1,
                        "x86",
                        "libtorch",
                        1,
                        3),
                row("block", "infinity vae decode, 256x256", "f32", 1, "x86", "libtorch", 1, 4),
                row("block", "vincie vae decode, 512x512", "f32", 1, "x86", "libtorch", 1, 5),
                row("block", "nadit block, width 2560", "bf16", 1, "x86", "libtorch", 1, 6),
                row("rows", "gelu small 32x2048", "f32", 1, "vector", "libtorch", 1, 7),
                row("rows", "gelu_tanh small 32x2048", "f32", 1, "vector", "libtorch", 1, 8));

        assertThat(Table.of(rows, ROOFS).stream().skip(2))
                .containsExactly(
                        "| GELU (tanh): `vector` / libtorch | 1.0 | 8.00 |",
                        "| GELU (erf): `vector` / libtorch | 1.0 | 7.00 |",
                        "| block of VINCIE, 800 tokens, bf16 / f32: `x86` / libtorch | 2.0 | 6.00 |",
                        "| block of Infinity, last scale of 512x512: `x86` / libtorch | 1.1 | 2.00 |",
                        "| learning step of adapters in a block of Infinity: `x86` / libtorch | 1.0 | 3.00 |",
                        "| Infinity's autoencoder, decoding 256x256: `x86` / libtorch | 1.0 | 4.00 |",
                        "| VINCIE's autoencoder, decoding 512x512: `x86` / libtorch | 1.0 | 5.00 |");
    }

    @Test
    void moreThreadsAreComparedWithOne() {
        List<Row> rows = List.of(
                row("conv", "a", "f32", 1, "x86", "libtorch", 1, 1),
                row("conv", "a", "f32", 1, "x86", "onednn", 1, 1),
                row("conv", "a", "f32", 2, "x86", "libtorch", 0.5, 1),
                row("conv", "a", "f32", 2, "x86", "onednn", 0.5, 1),
                row("conv", "b", "f32", 2, "x86", "onednn", 0.5, 1));

        List<Row> scaling = Report.scaling(rows);

        assertThat(scaling).hasSize(1);
        assertThat(Table.of(scaling, ROOFS))
                .contains("| more threads: convolutions: `x86` / one thread | 1.9 | 2.00 |");
    }

    private static Row row(
            String group,
            String shape,
            String dtype,
            int threads,
            String provider,
            String peer,
            double ours,
            double theirs) {
        Contest contest = new Contest(group, shape, dtype, 1, "GB/s", Roof.COPY, 1e-5, "");
        return new Row(
                contest, threads, provider, peer, new Timing(ours, ours, 0), new Timing(theirs, theirs, 0), 1e-7);
    }
}
