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
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.json.JsonFactory;

/// What is made of the rows.
final class Report {
    private Report() {}

    /// For everything that was measured with one thread and with more, how much faster it got: ratios of the bests.
    static List<Row> scaling(List<Row> rows) {
        List<Row> scaling = new ArrayList<>();
        for (Row many : rows) {
            rows.stream()
                    .filter(one -> one.threads() == 1
                            && many.threads() > 1
                            && one.group().equals(many.group())
                            && one.shape().equals(many.shape())
                            && one.dtype().equals(many.dtype())
                            && one.provider().equals(many.provider()))
                    .findFirst()
                    .filter(one -> scaling.stream()
                            .noneMatch(s -> s.shape().equals(one.group() + " " + one.shape())
                                    && s.dtype().equals(one.dtype())
                                    && s.threads() == many.threads()
                                    && s.provider().equals(one.provider())))
                    .ifPresent(one -> scaling.add(new Row(
                            "scaling",
                            one.group() + " " + one.shape(),
                            one.dtype(),
                            many.threads(),
                            one.provider(),
                            "own 1 thread",
                            many.ours(),
                            one.ours(),
                            many.oursMedian(),
                            one.oursMedian(),
                            one.unit(),
                            many.ours() / one.ours(),
                            many.peakShare(),
                            many.spread(),
                            0,
                            "")));
        }
        return scaling;
    }

    /// One line for each group, type, provider, peer and number of threads: the least, middle and greatest ratio over
    /// its shapes.
    static void summarise(List<Row> rows, PrintStream log) {
        Map<String, List<Double>> ratios = new LinkedHashMap<>();
        for (Row row : rows) {
            if (row.peer() != null) {
                String shape = row.group().equals("rows") || row.group().equals("block") ? row.shape() : "";
                String what = String.format(
                        Locale.ROOT,
                        "%-10s %-9s T=%d %-7s / %-12s %s",
                        row.group(),
                        row.dtype(),
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
                write(json, row);
            }
            json.writeEndArray();
            json.writeEndObject();
        }
    }

    private static void write(JsonGenerator json, Row row) {
        json.writeStartObject();
        json.writeStringProperty("group", row.group());
        json.writeStringProperty("shape", row.shape());
        json.writeStringProperty("dtype", row.dtype());
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
        json.writeStringProperty("unit", row.unit());
        json.writeNumberProperty("ratio", row.ratio());
        json.writeNumberProperty("peak_share", row.peakShare());
        json.writeNumberProperty("spread", row.spread());
        json.writeNumberProperty("agreement", row.agreement());
        json.writeStringProperty("note", row.note());
        json.writeEndObject();
    }
}
