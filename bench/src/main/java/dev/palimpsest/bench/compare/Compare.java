package dev.palimpsest.bench.compare;

import dev.palimpsest.kernels.CpuFeatures;
import dev.palimpsest.kernels.KernelProviders;
import dev.palimpsest.kernels.KernelSelection.Tier;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.Parallel;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.function.Consumer;

/// The command `bench/compare`: our kernels beside other libraries, on one thread and on all.
public final class Compare {
    private static final Map<String, Consumer<Session>> GROUPS = groups();

    private Compare() {}

    private static Map<String, Consumer<Session>> groups() {
        Map<String, Consumer<Session>> groups = new LinkedHashMap<>();
        groups.put("gemm", Products::measure);
        groups.put("conv", Convolutions::measure);
        groups.put("attention", Attentions::measure);
        groups.put("rows", RowFunctions::measure);
        groups.put("block", Blocks::measure);
        return groups;
    }

    /// Measures and prints a line for each measurement.
    ///
    /// @param args `--quick`, `--json FILE`, `--group NAME,NAME`, `--threads N,N`, `--kernels NAME,NAME`
    /// @throws IOException if the file cannot be written
    public static void main(String[] args) throws IOException {
        Options options;
        try {
            options = Options.parse(args, GROUPS.keySet());
        } catch (IllegalArgumentException e) {
            System.err.println("compare: " + e.getMessage());
            System.exit(2);
            return;
        }
        // lines appear as they are printed, into a file, too
        PrintStream log = new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);
        CpuFeatures cpu = CpuFeatures.detect();
        log.printf("%s, %d processors, Java %s%n", cpu.model(), cpu.logicalProcessors(), Runtime.version());
        Peers peers = Peers.load(log);
        if (peers.openBlas() != null) {
            log.println("OpenBLAS uses its kernels for " + peers.openBlas().core());
        }
        Path file = options.json();
        List<Row> rows = new ArrayList<>();
        Map<Integer, Roofs> roofs = new LinkedHashMap<>();
        for (int threads : options.threads()) {
            Roofs roof = Roofs.measure(threads);
            roofs.put(threads, roof);
            log.printf(
                    Locale.ROOT,
                    "%d thread(s): f32 %.0f GFLOP/s, bf16 %.0f GFLOP/s, int8 %.0f Gop/s, copy %.1f GB/s, read %.1f GB/s%n",
                    threads,
                    roof.f32(),
                    roof.bf16(),
                    roof.int8(),
                    roof.copy(),
                    roof.read());
            peers.threads(threads);
            try (Parallel parallel = new Parallel(threads)) {
                List<Kernels> providers = providers(options, parallel);
                Session session =
                        new Session(threads, providers, peers, roof, options.quick(), new Random(1), rows, log);
                for (String group : options.groups()) {
                    Objects.requireNonNull(GROUPS.get(group)).accept(session);
                    if (file != null) {
                        // whoever stops a long run keeps what there is
                        Report.write(file, cpu, roofs, rows);
                    }
                }
            }
        }
        rows.addAll(Report.scaling(rows));
        Report.summarise(rows, log);
        if (file != null) {
            Report.write(file, cpu, roofs, rows);
        }
    }

    private static List<Kernels> providers(Options options, Parallel parallel) {
        return KernelProviders.tiers().stream()
                .filter(Tier::available)
                .map(Tier::name)
                .filter(options.kernels()::contains)
                .map(name -> KernelProviders.create(name, parallel))
                .toList();
    }
}
