package dev.palimpsest.examples;

import java.io.PrintWriter;
import java.util.function.Consumer;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.PrettyPrinter;
import tools.jackson.core.StreamWriteFeature;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.core.util.DefaultPrettyPrinter;

/// Writes one JSON object for a program to read.
final class JsonOutput {
    private static final JsonFactory FACTORY =
            JsonFactory.builder().disable(StreamWriteFeature.AUTO_CLOSE_TARGET).build();

    private JsonOutput() {}

    /// Writes an object and a line end.
    ///
    /// @param fields writes what is in the object
    static void write(PrintWriter out, Consumer<JsonGenerator> fields) {
        try (JsonGenerator json = FACTORY.createGenerator(new Indented(), out)) {
            json.writeStartObject();
            fields.accept(json);
            json.writeEndObject();
        }
        out.println();
        out.flush();
    }

    /// A number, or null where JSON has no way to write it: NaN and infinities.
    static void number(JsonGenerator json, String name, double value) {
        if (Double.isFinite(value)) {
            json.writeNumberProperty(name, value);
        } else {
            json.writeNullProperty(name);
        }
    }

    private static final class Indented extends ObjectWriteContext.Base {
        private final PrettyPrinter printer = new DefaultPrettyPrinter();

        @Override
        public PrettyPrinter getPrettyPrinter() {
            return printer;
        }

        @Override
        public boolean hasPrettyPrinter() {
            return true;
        }
    }
}
