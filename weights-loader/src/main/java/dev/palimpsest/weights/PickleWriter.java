package dev.palimpsest.weights;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;

/// Writes the opcodes of a pickle of protocol 2, those that a state dict needs. What comes often is written once and
/// fetched from the memo afterwards.
final class PickleWriter {
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final Map<String, Integer> memo = new HashMap<>();

    PickleWriter() {
        op(0x80).op(2);
    }

    /// What was written.
    byte[] finish() {
        op('.');
        return out.toByteArray();
    }

    PickleWriter emptyDict() {
        return op('}');
    }

    /// `collections.OrderedDict()`
    PickleWriter emptyOrderedDict() {
        return global("collections", "OrderedDict").op(')').reduce();
    }

    /// Takes the keys and values since the last mark into the dictionary before it.
    PickleWriter setItems() {
        return op('u');
    }

    PickleWriter mark() {
        return op('(');
    }

    /// A tuple of what came since the last mark.
    PickleWriter tuple() {
        return op('t');
    }

    PickleWriter tuple(long... items) {
        if (items.length == 0) {
            return op(')');
        }
        mark();
        for (long item : items) {
            integer(item);
        }
        return tuple();
    }

    /// A call of the function before last with the tuple before.
    PickleWriter reduce() {
        return op('R');
    }

    PickleWriter persistentId() {
        return op('Q');
    }

    PickleWriter no() {
        return op(0x89);
    }

    /// A class or function by its name.
    PickleWriter global(String module, String name) {
        String key = module + "\n" + name + "\n";
        if (fetched(key)) {
            return this;
        }
        op('c');
        out.writeBytes(key.getBytes(StandardCharsets.US_ASCII));
        return remember(key);
    }

    PickleWriter text(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        op('X').little(bytes.length, 4);
        out.writeBytes(bytes);
        return this;
    }

    /// A text that comes again.
    PickleWriter once(String text) {
        return fetched(text) ? this : text(text).remember(text);
    }

    PickleWriter integer(long value) {
        if (value >= 0 && value < 1 << 8) {
            return op('K').little(value, 1);
        }
        if (value >= 0 && value < 1 << 16) {
            return op('M').little(value, 2);
        }
        return value == (int) value ? op('J').little(value, 4) : op(0x8a).op(8).little(value, 8);
    }

    private boolean fetched(String key) {
        Integer at = memo.get(key);
        if (at != null) {
            op('h').little(at, 1);
        }
        return at != null;
    }

    /// Puts what came last into the memo. There are a dozen types and texts, so places take one byte.
    private PickleWriter remember(String key) {
        int at = memo.size();
        memo.put(key, at);
        return op('q').little(at, 1);
    }

    private PickleWriter op(int code) {
        out.write(code);
        return this;
    }

    private PickleWriter little(long value, int bytes) {
        for (int i = 0; i < bytes; i++) {
            out.write((int) (value >>> (8 * i)));
        }
        return this;
    }
}
