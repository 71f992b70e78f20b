package dev.palimpsest.models.text;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

class QwenSplitterTest {
    /// The definition, with the white space spelt out: Java's own classes differ from the Unicode property.
    private static final Pattern DEFINITION = Pattern.compile(
            ("(?iu:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^S\\p{L}\\p{N}]+[\\r\\n]*"
                            + "|[S]*[\\r\\n]+|[S]+(?![^S])|[S]+")
                    .replace("S", "\\p{IsWhite_Space}"));

    private static List<String> split(String text) {
        List<String> pieces = new ArrayList<>();
        int end;
        for (int from = 0; from < text.length(); from = end) {
            end = QwenSplitter.pieceEnd(text, from);
            pieces.add(text.substring(from, end));
        }
        return pieces;
    }

    @Test
    void piecesAreWordsDigitsPunctuationAndWhiteSpace() {
        assertThat(split("I'll paint 42 cats!!\n\n  Don'T"))
                .containsExactly("I", "'ll", " paint", " ", "4", "2", " cats", "!!\n\n", " ", " Don", "'T");
        assertThat(split("x = 'stop'")).containsExactly("x", " =", " '", "stop", "'");
        assertThat(split("\t\tword")).containsExactly("\t", "\tword");
        assertThat(split("(word)...")).containsExactly("(word", ")...");
        assertThat(split("a \r\n \n b  ")).containsExactly("a", " \r\n \n", " b", "  ");
    }

    @Test
    void theLongSContractsAsAnSDoes() {
        assertThat(split("it'\u017Fa")).containsExactly("it", "'\u017F", "a");
        assertThat(split("it'Sa")).containsExactly("it", "'S", "a");
        assertThat(split("it'xa")).containsExactly("it", "'xa");
    }

    @Test
    void marksAreNoLettersAndFormatCharactersNoWhiteSpace() {
        assertThat(split("\u0939\u093F\u0928")).containsExactly("\u0939", "\u093F\u0928");
        assertThat(split("a\u200Bb\u0085c\u00A01")).containsExactly("a", "\u200Bb", "\u0085c", "\u00A0", "1");
    }

    @Test
    void agreesWithThePatternOnRandomText() {
        var random = new Random(5);
        for (int i = 0; i < 20_000; i++) {
            String text = CodePoints.wellFormed(RandomText.next(random));
            var matcher = DEFINITION.matcher(text);
            List<String> expected = new ArrayList<>();
            while (matcher.find()) {
                expected.add(matcher.group());
            }
            assertThat(split(text)).isEqualTo(expected);
        }
    }
}
