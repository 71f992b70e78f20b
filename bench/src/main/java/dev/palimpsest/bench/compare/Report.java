package dev.palimpsest.bench.compare;

import dev.palimpsest.kernels.CpuFeatures;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.json.JsonFactory;

/// What is made of the rows.
final class Report {
    private Report() {}

    private static final String SCALING = "scaling";

    /// For everything that was measured with one thread and with more, how much faster it got: ratios of the bests.
    static List<Row> scaling(List<Row> rows) {
        List<Row> scaling = new ArrayList<>();
        for (Row many : rows) {
            rows.stream()
                    .filter(one -> one.threads() == 1 && many.threads() > 1 && isSameWork(one, many))
                    .findFirst()
                    .filter(one -> scaling.stream()
                            .noneMatch(s -> s.threads() == many.threads()
                                    && s.provider().equals(one.provider())
                                    && s.contest().equals(scaling(one.contest()))))
                    .ifPresent(one -> scaling.add(new Row(
                            scaling(one.contest()),
                            many.threads(),
                            one.provider(),
                            "own 1 thread",
                            many.oursTime(),
                            one.oursTime(),
                            0)));
        }
        return scaling;
    }

    private static boolean isSameWork(Row one, Row many) {
        return scaling(one.contest()).equals(scaling(many.contest()))
                && one.provider().equals(many.provider());
    }

    private static Contest scaling(Contest c) {
        String shape = c.group() + " " + c.shape();
        return new Contest(SCALING, shape, c.dtype(), c.work(), c.unit(), c.roof(), Double.POSITIVE_INFINITY, "");
    }

    /// One line for each group, type, provider, peer and number of threads: the least, middle and greatest ratio over
    /// its shapes.
    static void summarise(List<Row> rows, PrintStream log) {
        Map<String, List<Double>> ratios = new LinkedHashMap<>();
        for (Row row : rows) {
            if (row.peer() != null) {
                Contest c = row.contest();
                String shape = c.group().equals("rows") || c.group().equals("block") ? c.shape() : "";
                String what = String.format(
                        Locale.ROOT,
                        "%-10s %-9s T=%d %-7s / %-12s %s",
                        c.group(),
                        c.dtype(),
                        row.threads(),
                        row.provider(),
                        row.peer(),
                        shape);
                ratios.computeIfAbsent(what, w -> new ArrayList<>()).add(row.ratio());
            }
        }
        log.println();
        log.println("ratios, ours over theirs: least, middle, greatest, number of shapes");
        ratios.forEach((what, values) -> {
            Collections.sort(values);
            log.printf(
                    Locale.ROOT,
                    "%5.2f %5.2f %5.2f %3d  %s%n",
                    values.getFirst(),
                    values.get(values.size() / 2),
                    values.getLast(),
                    values.size(),
                    what);
        });
    }

    /// Writes everything as JSON.
    static void write(Path file, CpuFeatures cpu, Map<Integer, Roofs> roofs, List<Row> rows) throws IOException {
        try (var out = Files.newBufferedWriter(file);
                JsonGenerator json = new JsonFactory().createGenerator(ObjectWriteContext.empty(), out)) {
            json.writeStartObject();
            json.writeStringProperty("cpu", cpu.model());
            json.writeStringProperty("java", Runtime.version().toString());
            json.writeArrayPropertyStart("peaks");
            for (var entry : roofs.entrySet()) {
                json.writeRaw("\n  ");
                json.writeStartObject();
                json.writeNumberProperty("threads", entry.getKey());
                json.writeNumberProperty("f32_gflops", entry.getValue().f32());
                json.writeNumberProperty("bf16_gflops", entry.getValue().bf16());
                json.writeNumberProperty("int8_gops", entry.getValue().int8());
                json.writeNumberProperty("copy_gbs", entry.getValue().copy());
                json.writeNumberProperty("read_gbs", entry.getValue().read());
                json.writeEndObject();
            }
            json.writeEndArray();
            json.writeArrayPropertyStart("rows");
            for (Row row : rows) {
                json.writeRaw("\n  ");
                write(json, row, Objects.requireNonNull(roofs.get(row.threads())));
            }
            json.writeEndArray();
            json.writeEndObject();
        }
    }

    private static void write(JsonGenerator json, Row row, Roofs roofs) {
        Contest c = row.contest();
        json.writeStartObject();
        json.writeStringProperty("group", c.group());
        json.writeStringProperty("shape", c.shape());
        json.writeStringProperty("dtype", c.dtype());
        json.writeNumberProperty("threads", row.threads());
        json.writeStringProperty("provider", row.provider());
        if (row.peer() == null) {
            json.writeNullProperty("peer");
        } else {
            json.writeStringProperty("peer", row.peer());
        }
        json.writeNumberProperty("ours", row.ours());
        json.writeNumberProperty("theirs", row.theirs());
        json.writeNumberProperty("ours_median", row.oursMedian());
        json.writeNumberProperty("theirs_median", row.theirsMedian());
        json.writeStringProperty("unit", c.unit());
        json.writeNumberProperty("ratio", row.ratio());
        json.writeNumberProperty("peak_share", row.peakShare(roofs));
        json.writeNumberProperty("spread", row.spread());
        json.writeNumberProperty("agreement", row.agreement());
        json.writeStringProperty("note", row.remark());
        json.writeEndObject();
    }
}
