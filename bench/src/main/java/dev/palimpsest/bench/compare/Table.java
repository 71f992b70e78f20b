package dev.palimpsest.bench.compare;

import java.util.ArrayList;
import java.util.DoubleSummaryStatistics;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/// What a run says, for a reader: for each question a line, for each number of threads a column with the least and the
/// greatest answer over the shapes that were measured.
final class Table {
    private static final String OWN_F32 = "own f32";
    private static final String COPY = "copy";
    private static final String DENSE = "(infinity_1024|vincie_2048|vincie_4096) .*";

    private static final List<Line> LINES = List.of(
            line("f32 product, M >= 256", "1.0", "gemm", "f32", "vector", "libtorch"),
            line("f32 product, M >= 256", "0.97", "gemm", "f32", "x86", "onednn"),
            line("bf16 product, M >= 256", "1.0", "gemm", "bf16", "x86", "libtorch"),
            line("bf16 product, M >= 256", "0.97", "gemm", "bf16", "x86", "onednn"),
            line("bf16 weights in f32 arithmetic, M >= 256", "0.9", "gemm", "f32*bf16", "vector", OWN_F32),
            line("int8 product, M >= 256", "0.97, on two threads 0.95", "gemm", "int8", "x86", "onednn"),
            line("int8 weights in f32 arithmetic, M >= 256", "1.0", "gemm", "f32*i8", "vector", OWN_F32),
            line("int8 weights in f32 arithmetic, M >= 256", "1.0", "gemm", "f32*i8", "x86", OWN_F32),
            line("f32 product, M = 16", "1.1", "gemm16", "f32", "x86", "onednn"),
            line("bf16 product, M = 16", "1.1", "gemm16", "bf16", "x86", "onednn"),
            line("int8 product, M = 16", "1.1", "gemm16", "int8", "x86", "onednn"),
            line("f32 product, M = 1 to 4", "0.9", "gemv", "f32", "x86", COPY),
            line("bf16 product, M = 1 to 4", "0.9", "gemv", "bf16", "x86", COPY),
            line("int8 product, M = 1 to 4", "0.9", "gemv", "int8", "x86", COPY),
            line("f32 product, M = 1 to 4", "", "gemv", "f32", "x86", "onednn"),
            line("bf16 product, M = 1 to 4", "", "gemv", "bf16", "x86", "onednn"),
            line("int8 product, M = 1 to 4", "", "gemv", "int8", "x86", "onednn"),
            line("convolution 3x3, f32", "0.9", "conv", "f32", "vector", "libtorch"),
            line("convolution 3x3, f32", "1.0", "conv", "f32", "x86", "libtorch"),
            line("convolution 3x3, bf16", "0.95", "conv", "bf16", "x86", "libtorch"),
            attention("attention, d = 128, L 1024 to 4096, f32", "1.0", "f32", "vector", "libtorch"),
            attention("attention, d = 128, L 1024 to 4096, f32", "1.0", "f32", "x86", "libtorch"),
            attention("attention, d = 128, L 1024 to 4096, bf16", "1.7", "bf16", "x86", OWN_F32),
            line("block-causal attention that sees 2/3 of all pairs", "1.5", "attention", "f32", "vector", "own full"),
            line("block-causal attention that sees 2/3 of all pairs", "1.5", "attention", "f32", "x86", "own full"),
            row("exp", "vector"),
            row("silu", "vector"),
            row("gelu_tanh", "vector"),
            row("gelu", "vector"),
            row("softmax", "vector"),
            row("rmsnorm", "vector"),
            row("layernorm", "vector"),
            block("block of VINCIE, 800 tokens", "1.1", "nadit block", "f32", "vector"),
            block("block of VINCIE, 800 tokens", "1.1", "nadit block", "f32", "x86"),
            block("block of VINCIE, 800 tokens", "2.0", "nadit block", "bf16", "x86"),
            block("block of Infinity, last scale of 512x512", "1.1", "infinity block, .* last scale", "f32", "vector"),
            block("block of Infinity, last scale of 512x512", "1.1", "infinity block, .* last scale", "f32", "x86"),
            block("block of Infinity, last scale of 512x512", "2.0", "infinity block, .* last scale", "bf16", "x86"),
            block("layer of Qwen-14B, 150 tokens", "1.1", "qwen", "f32", "vector"),
            block("layer of Qwen-14B, 150 tokens", "1.1", "qwen", "f32", "x86"),
            block("layer of Qwen-14B, 150 tokens", "2.0", "qwen", "bf16", "x86"),
            block(
                    "learning step of adapters in a block of Infinity",
                    "1.0",
                    "infinity block, .* lora",
                    "f32",
                    "vector"),
            block("learning step of adapters in a block of Infinity", "1.0", "infinity block, .* lora", "f32", "x86"),
            block("Infinity's autoencoder, decoding 256x256", "1.0", "infinity vae .* 256x256", "f32", "vector"),
            block("Infinity's autoencoder, decoding 256x256", "1.0", "infinity vae .* 256x256", "f32", "x86"),
            block("Infinity's autoencoder, decoding 512x512", "1.0", "infinity vae .* 512x512", "f32", "x86"),
            block("VINCIE's autoencoder, decoding 256x256", "1.0", "vincie vae .* 256x256", "f32", "vector"),
            block("VINCIE's autoencoder, decoding 256x256", "1.0", "vincie vae .* 256x256", "f32", "x86"),
            block("VINCIE's autoencoder, decoding 512x512", "1.0", "vincie vae .* 512x512", "f32", "x86"),
            scaling("products, M >= 256", "gemm", "vector"),
            scaling("products, M >= 256", "gemm", "x86"),
            scaling("convolutions", "conv", "vector"),
            scaling("convolutions", "conv", "x86"),
            scaling("attention", "attention", "vector"),
            scaling("attention", "attention", "x86"),
            scaling("blocks, learning step, autoencoders", "block", "vector"),
            scaling("blocks, learning step, autoencoders", "block", "x86"));

    private Table() {}

    /// A question.
    ///
    /// @param what asked in words
    /// @param wanted what the answer should be at least
    /// @param group of the contests
    /// @param dtype of the contests, empty for all
    /// @param shape that the whole name of a shape matches
    /// @param provider ours
    /// @param peer the other; `copy` for the speed of copies of memory
    private record Line(
            String what, String wanted, String group, String dtype, Pattern shape, String provider, String peer) {
        boolean isAbout(Row row) {
            Contest c = row.contest();
            return c.group().equals(group)
                    && (dtype.isEmpty() || c.dtype().equals(dtype))
                    && shape.matcher(c.shape()).matches()
                    && row.provider().equals(provider)
                    && (peer.equals(COPY) || peer.equals(row.peer()));
        }

        double answer(Row row, Roofs roofs) {
            return peer.equals(COPY) ? row.peakShare(roofs) : row.ratio();
        }

        String title() {
            return what + ": `" + provider + "` / "
                    + switch (peer) {
                        case COPY -> "copies of memory";
                        case "onednn" -> "oneDNN";
                        case OWN_F32 -> "its own f32";
                        case "own full" -> "its own of all pairs";
                        case "own 1 thread" -> "one thread";
                        default -> peer;
                    };
        }
    }

    private static Line line(String what, String wanted, String group, String dtype, String provider, String peer) {
        return new Line(what, wanted, group, dtype, Pattern.compile(".*"), provider, peer);
    }

    private static Line attention(String what, String wanted, String dtype, String provider, String peer) {
        return new Line(what, wanted, "attention", dtype, Pattern.compile(DENSE), provider, peer);
    }

    private static Line row(String function, String provider) {
        String words = switch (function) {
            case "silu" -> "SiLU";
            case "gelu_tanh" -> "GELU (tanh)";
            case "gelu" -> "GELU (erf)";
            case "rmsnorm" -> "RMS norm";
            case "layernorm" -> "layer norm";
            default -> function;
        };
        return new Line(words, "1.0", "rows", "f32", Pattern.compile(function + " .*"), provider, "libtorch");
    }

    private static Line block(String what, String wanted, String shape, String dtype, String provider) {
        String words = dtype.equals("bf16") ? what + ", bf16 / f32" : what;
        return new Line(words, wanted, "block", dtype, Pattern.compile(shape + ".*"), provider, "libtorch");
    }

    private static Line scaling(String what, String group, String provider) {
        return new Line(
                "more threads: " + what,
                "1.9",
                "scaling",
                "",
                Pattern.compile(group + " .*"),
                provider,
                "own 1 thread");
    }

    /// The lines of a Markdown table. Questions that nobody asked are left out.
    ///
    /// @param rows measurements
    /// @param roofs for each number of threads
    static List<String> of(List<Row> rows, Map<Integer, Roofs> roofs) {
        SortedSet<Integer> threads = rows.stream().map(Row::threads).collect(Collectors.toCollection(TreeSet::new));
        List<String> table = new ArrayList<>();
        StringBuilder head = new StringBuilder("| best of ours / best of theirs | at least |");
        StringBuilder rule = new StringBuilder("|---|---|");
        for (int n : threads) {
            head.append(n == 1 ? " 1 thread |" : " " + n + " threads |");
            rule.append("---|");
        }
        table.add(head.toString());
        table.add(rule.toString());
        for (Line line : LINES) {
            if (rows.stream().noneMatch(line::isAbout)) {
                continue;
            }
            StringBuilder text = new StringBuilder("| " + line.title() + " | " + line.wanted() + " |");
            for (int n : threads) {
                Roofs known = Objects.requireNonNull(roofs.get(n));
                text.append(' ').append(range(line, rows, n, known)).append(" |");
            }
            table.add(text.toString());
        }
        return table;
    }

    private static String range(Line line, List<Row> rows, int threads, Roofs roofs) {
        DoubleSummaryStatistics answers = rows.stream()
                .filter(row -> row.threads() == threads && line.isAbout(row))
                .mapToDouble(row -> line.answer(row, roofs))
                .summaryStatistics();
        if (answers.getCount() == 0) {
            return "";
        }
        String least = String.format(Locale.ROOT, "%.2f", answers.getMin());
        String greatest = String.format(Locale.ROOT, "%.2f", answers.getMax());
        return least.equals(greatest) ? least : least + "-" + greatest;
    }
}
