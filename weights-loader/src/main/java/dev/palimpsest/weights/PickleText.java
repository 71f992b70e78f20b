package dev.palimpsest.weights;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;

/// The two ways in which pickle's oldest protocol writes strings on a line of text.
final class PickleText {
    private final byte[] line;
    private int at;

    private PickleText(byte[] line) {
        this.line = line;
    }

    /// The bytes of a Python 2 string literal: quotes around bytes, some of them written with a backslash.
    static byte[] literal(byte[] line) {
        int last = line.length - 1;
        if (last < 1 || line[0] != line[last] || (line[0] != '\'' && line[0] != '"')) {
            throw new Refused("a string has no quotes");
        }
        PickleText text = new PickleText(line);
        text.at = 1;
        var out = new ByteArrayOutputStream();
        while (text.at < last) {
            int c = text.next();
            out.write(c == '\\' ? text.escaped() : c);
        }
        if (text.at != last) {
            throw new Refused("a string ends in the middle of an escape");
        }
        return out.toByteArray();
    }

    /// Text in which only backslash-u sequences are special; all other bytes are Latin-1.
    static String rawUnicode(byte[] line) {
        PickleText text = new PickleText(line);
        StringBuilder sb = new StringBuilder(line.length);
        while (text.at < line.length) {
            int c = text.next();
            int kind = c == '\\' && text.at < line.length ? line[text.at] : 0;
            if (kind == 'u' || kind == 'U') {
                text.at++;
                int codePoint = text.hexadecimal(kind == 'u' ? 4 : 8);
                if (!Character.isValidCodePoint(codePoint)) {
                    throw new Refused("a string has an escape beyond Unicode");
                }
                sb.appendCodePoint(codePoint);
            } else {
                sb.append((char) c);
            }
        }
        String result = sb.toString();
        if (!StandardCharsets.UTF_8.newEncoder().canEncode(result)) {
            throw new Refused("a string has half of a surrogate pair");
        }
        return result;
    }

    private int next() {
        return at < line.length ? Byte.toUnsignedInt(line[at++]) : -1;
    }

    private int escaped() {
        int c = next();
        return switch (c) {
            case '\\', '\'', '"' -> c;
            case 'n' -> '\n';
            case 'r' -> '\r';
            case 't' -> '\t';
            case 'a' -> 7;
            case 'b' -> '\b';
            case 'f' -> '\f';
            case 'v' -> 11;
            case 'x' -> hexadecimal(2);
            default -> throw new Refused("a string has an unknown escape");
        };
    }

    private int hexadecimal(int digits) {
        int value = 0;
        for (int i = 0; i < digits; i++) {
            int digit = Character.digit(next(), 16);
            if (digit < 0) {
                throw new Refused("a string has a broken escape");
            }
            value = value << 4 | digit;
        }
        return value;
    }
}
