package dev.palimpsest.bench.compare;

import dev.palimpsest.kernels.CpuFeatures;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
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
    /// @param args `--quick`, `--json FILE`, `--markdown FILE`, `--group NAME,NAME`, `--threads N,N`, `--kernels
    ///     NAME,NAME`
    /// @throws IOException if a file cannot be written
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
        long start = System.nanoTime();
        CpuFeatures cpu = CpuFeatures.detect();
        log.printf("%s, %d processors, Java %s%n", cpu.model(), cpu.logicalProcessors(), Runtime.version());
        Peers peers = Peers.load(log);
        if (peers.openBlas() != null) {
            log.println("OpenBLAS uses its kernels for " + peers.openBlas().core());
        }
        List<Team> teams = new ArrayList<>();
        try {
            options.threads().forEach(n -> teams.add(new Team(n, options.kernels())));
            List<Row> rows = new ArrayList<>();
            Session session = new Session(teams, peers, options.quick(), new Random(1), rows, log);
            for (String group : options.groups()) {
                teams.forEach(Team::measureRoofs);
                Objects.requireNonNull(GROUPS.get(group)).accept(session);
                log.printf(Locale.ROOT, "%s: %.0f s so far%n", group, (System.nanoTime() - start) * 1e-9);
                // whoever stops a long run keeps what there is
                write(options, cpu, teams, rows);
            }
            rows.addAll(Report.scaling(rows));
            Report.summarise(rows, log);
            log.println();
            roofs(teams).forEach((threads, roofs) -> log.println(threads + " thread(s): " + roofs.inWords()));
            log.println();
            Table.of(rows, roofs(teams)).forEach(log::println);
            write(options, cpu, teams, rows);
        } finally {
            teams.forEach(Team::close);
        }
    }

    private static Map<Integer, Roofs> roofs(List<Team> teams) {
        Map<Integer, Roofs> roofs = new LinkedHashMap<>();
        teams.forEach(team -> roofs.put(team.threads(), team.roofs()));
        return roofs;
    }

    private static void write(Options options, CpuFeatures cpu, List<Team> teams, List<Row> rows) throws IOException {
        Path json = options.json();
        if (json != null) {
            Report.write(json, cpu, roofs(teams), rows);
        }
        Path markdown = options.markdown();
        if (markdown != null) {
            Files.write(markdown, Table.of(rows, roofs(teams)));
        }
    }
}
