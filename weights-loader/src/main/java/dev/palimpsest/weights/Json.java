package dev.palimpsest.weights;

import java.io.InputStream;
import java.io.InputStreamReader;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.TokenStreamFactory;
import tools.jackson.core.json.JsonFactory;

/// Streaming JSON over mapped bytes that come from anywhere: strictly UTF-8, shallow, and without tables that outlive
/// the parser.
final class Json {
    private static final int DEEPEST = 32;
    private static final int LONGEST_MESSAGE = 200;

    private static final JsonFactory FACTORY = JsonFactory.builder()
            .disable(TokenStreamFactory.Feature.INTERN_PROPERTY_NAMES)
            .disable(TokenStreamFactory.Feature.CANONICALIZE_PROPERTY_NAMES)
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNestingDepth(DEEPEST)
                    .maxNumberLength(64)
                    .build())
            .build();

    private Json() {}

    /// A parser of the whole of `text`; what it throws is a [JacksonException].
    static JsonParser parser(MemorySegment text) {
        // The decoder is set up here because Jackson would guess among UTF-8, UTF-16 and UTF-32, and skip over a wrong
        // byte.
        var decoder = StandardCharsets.UTF_8
                .newDecoder()
                .onMalformedInput(CodingErrorAction.REPORT)
                .onUnmappableCharacter(CodingErrorAction.REPORT);
        return FACTORY.createParser(ObjectReadContext.empty(), new InputStreamReader(new Bytes(text), decoder));
    }

    /// What a parser complains of, on one line.
    static String message(JacksonException e) {
        if (e.getCause() instanceof CharacterCodingException) {
            return "it is not UTF-8";
        }
        String message = e.getOriginalMessage();
        if (message == null) {
            return "it cannot be parsed";
        }
        // Jackson adds places that it then does not know, since the source is not its own.
        String plain = message.lines().findFirst().orElse("").replaceFirst(" \\(start marker at .*", "");
        return CheckpointException.printable(plain, LONGEST_MESSAGE);
    }

    /// A stream over memory.
    private static final class Bytes extends InputStream {
        private final MemorySegment memory;
        private long at;

        Bytes(MemorySegment memory) {
            this.memory = memory;
        }

        @Override
        public int read() {
            return at < memory.byteSize() ? Byte.toUnsignedInt(memory.get(ValueLayout.JAVA_BYTE, at++)) : -1;
        }

        @Override
        public int read(byte[] target, int offset, int length) {
            int n = (int) Math.min(length, memory.byteSize() - at);
            if (n == 0) {
                return length == 0 ? 0 : -1;
            }
            MemorySegment.copy(memory, ValueLayout.JAVA_BYTE, at, target, offset, n);
            at += n;
            return n;
        }
    }
}
