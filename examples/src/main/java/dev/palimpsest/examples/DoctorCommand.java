package dev.palimpsest.examples;

import dev.palimpsest.kernels.CpuFeatures;
import dev.palimpsest.kernels.KernelProviders;
import dev.palimpsest.kernels.KernelSelection;
import dev.palimpsest.tensor.Scope;
import java.io.PrintWriter;
import java.lang.management.ManagementFactory;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import javax.management.JMException;
import javax.management.ObjectName;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;
import tools.jackson.core.JsonGenerator;

/// `palimpsest doctor`: what this machine is, which kernels run on it, and what would make it faster.
@Command(
        name = "doctor",
        mixinStandardHelpOptions = true,
        description = {
            "Tells what this machine is, which kernels were chosen and why, and what to do where a fast path is off.",
            "Exit code 1 if there are no kernels to compute with."
        })
final class DoctorCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Option(names = "--json", description = "Write JSON.")
    private boolean json;

    @Override
    public Integer call() {
        var report = Report.make();
        PrintWriter out = spec.commandLine().getOut();
        if (json) {
            JsonOutput.write(out, report::write);
        } else {
            report.print(out);
        }
        out.flush();
        return report.selection() == null ? ExitCode.SOFTWARE : ExitCode.OK;
    }

    /// The findings.
    ///
    /// @param selection the chosen kernels, null if none can be had
    /// @param obstacle why there are no kernels, empty if there are
    /// @param machineBytes memory of the machine or container, 0 if it cannot be told
    /// @param freeBytes part of it that is free, 0 if it cannot be told
    private record Report(
            CpuFeatures cpu,
            List<KernelSelection.Tier> tiers,
            @Nullable KernelSelection selection,
            String obstacle,
            long machineBytes,
            long freeBytes) {

        static Report make() {
            KernelSelection selection = null;
            String obstacle = "";
            try {
                selection = KernelProviders.lookup();
            } catch (IllegalArgumentException | IllegalStateException e) {
                obstacle = String.valueOf(e.getMessage());
            }
            return new Report(
                    CpuFeatures.detect(),
                    KernelProviders.tiers(),
                    selection,
                    obstacle,
                    system("TotalMemorySize"),
                    system("FreeMemorySize"));
        }

        /// An attribute of the operating system that the JDK's management extension has, 0 where it has none.
        private static long system(String attribute) {
            try {
                return ManagementFactory.getPlatformMBeanServer()
                                        .getAttribute(new ObjectName("java.lang:type=OperatingSystem"), attribute)
                                instanceof Long bytes
                        ? bytes
                        : 0;
            } catch (JMException e) {
                return 0;
            }
        }

        private static String java() {
            return Runtime.version() + ", " + System.getProperty("java.vendor") + ", "
                    + System.getProperty("java.vm.name") + " (" + System.getProperty("java.vm.info") + ")";
        }

        private static long heapBytes() {
            return Runtime.getRuntime().maxMemory();
        }

        private static long heapUsedBytes() {
            return Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory();
        }

        void print(PrintWriter out) {
            line(out, "Java", java());
            line(
                    out,
                    "System",
                    cpu.os() + " " + cpu.architecture()
                            + (cpu.model().isEmpty() ? "" : ", " + cpu.model()) + ", "
                            + Text.count(cpu.logicalProcessors(), "processor"));
            if (!cpu.caches().isEmpty()) {
                line(
                        out,
                        "Caches",
                        cpu.caches().stream()
                                .map(c -> "L" + c.level() + " " + Text.bytes(c.bytes()))
                                .collect(Collectors.joining(", ")));
            }
            line(
                    out,
                    "Vectors",
                    cpu.vectorBits() == 0 ? "the Vector API is not loaded" : cpu.vectorBits() + " bits (Vector API)");
            if (!cpu.flags().isEmpty()) {
                line(out, "Features", String.join(" ", computing(cpu)));
            }
            line(
                    out,
                    "Kernels",
                    selection == null
                            ? "none: " + obstacle
                            : selection.name() + " on "
                                    + Text.count(selection.parallel().threads(), "thread") + ", " + selection.reason());
            for (KernelSelection.Tier tier : tiers) {
                out.printf("  %-9s  %-4s  %s%n", tier.name(), tier.available() ? "on" : "off", tier.detail());
            }
            line(
                    out,
                    "Memory",
                    (machineBytes == 0
                                    ? ""
                                    : "machine " + Text.bytes(machineBytes) + ", " + Text.bytes(freeBytes) + " free; ")
                            + "heap " + Text.bytes(heapBytes()) + " at most, " + Text.bytes(heapUsedBytes())
                            + " used; tensors " + Text.bytes(Scope.reservedBytes()) + " (outside of the heap)");
        }

        private static void line(PrintWriter out, String what, String text) {
            out.printf("%-9s  %s%n", what, text);
        }

        /// The instruction sets that matter to computing, of the hundred that a processor lists.
        private static List<String> computing(CpuFeatures cpu) {
            return cpu.flags().stream()
                    .filter(f -> f.matches("avx.*|fma|f16c|sse4_2|amx.*|asimd.*|sve.*|bf16|i8mm|sme[0-9]*|rv.*"))
                    .toList();
        }

        void write(JsonGenerator g) {
            g.writeObjectPropertyStart("java");
            g.writeStringProperty("version", Runtime.version().toString());
            g.writeStringProperty("vendor", System.getProperty("java.vendor"));
            g.writeStringProperty("vm", System.getProperty("java.vm.name"));
            g.writeStringProperty("mode", System.getProperty("java.vm.info"));
            g.writeEndObject();
            g.writeObjectPropertyStart("cpu");
            g.writeStringProperty("os", cpu.os());
            g.writeStringProperty("architecture", cpu.architecture());
            g.writeStringProperty("model", cpu.model());
            g.writeNumberProperty("processors", cpu.logicalProcessors());
            g.writeNumberProperty("vector_bits", cpu.vectorBits());
            g.writeArrayPropertyStart("features");
            computing(cpu).forEach(g::writeString);
            g.writeEndArray();
            g.writeArrayPropertyStart("caches");
            cpu.caches().forEach(c -> {
                g.writeStartObject();
                g.writeNumberProperty("level", c.level());
                g.writeNumberProperty("bytes", c.bytes());
                g.writeEndObject();
            });
            g.writeEndArray();
            g.writeEndObject();
            g.writeObjectPropertyStart("kernels");
            if (selection == null) {
                g.writeNullProperty("chosen");
                g.writeStringProperty("reason", obstacle);
            } else {
                g.writeStringProperty("chosen", selection.name());
                g.writeStringProperty("reason", selection.reason());
                g.writeNumberProperty("threads", selection.parallel().threads());
            }
            g.writeArrayPropertyStart("tiers");
            tiers.forEach(t -> {
                g.writeStartObject();
                g.writeStringProperty("name", t.name());
                g.writeBooleanProperty("available", t.available());
                g.writeStringProperty("detail", t.detail());
                g.writeEndObject();
            });
            g.writeEndArray();
            g.writeEndObject();
            g.writeObjectPropertyStart("memory");
            g.writeNumberProperty("machine_bytes", machineBytes);
            g.writeNumberProperty("free_bytes", freeBytes);
            g.writeNumberProperty("heap_max_bytes", heapBytes());
            g.writeNumberProperty("heap_used_bytes", heapUsedBytes());
            g.writeNumberProperty("tensor_bytes", Scope.reservedBytes());
            g.writeEndObject();
        }
    }
}
