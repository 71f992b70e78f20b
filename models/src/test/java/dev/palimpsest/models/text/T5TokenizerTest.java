package dev.palimpsest.models.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;

@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class T5TokenizerTest {
    private static final int END = 1;
    private static final int UNKNOWN = 2;
    private static final int EXTRA_0 = 19 + 99;

    private T5Tokenizer tokenizer;

    @BeforeAll
    void load(@TempDir Path folder) throws IOException {
        tokenizer = SmallVocabularies.t5(folder);
    }

    private void assertIds(String text, int... ids) {
        assertThat(tokenizer.encode(text)).as(text).containsExactly(withEnd(ids));
    }

    private static int[] withEnd(int... ids) {
        int[] all = Arrays.copyOf(ids, ids.length + 1);
        all[ids.length] = END;
        return all;
    }

    @Test
    void theMostProbablePiecesAreTaken() {
        assertIds("cat", 9); // -9, against -10 for "_" + "cat" and -14.75 letter by letter
        assertIds("acat", 4, 8); // -10.5
        assertIds("a the cat, a cat", 4, 12, 9, 11, 4, 9);
        assertIds("ca", 3, 6, 5);
    }

    @Test
    void whiteSpaceIsDroppedAtTheEndsAndCollapsedInside() {
        assertIds("");
        assertIds(" \t \u3000");
        assertIds("  a   the\t\n a\u00A0", 4, 12, 4);
        assertIds("a\u200Bcat", 4, 9);
    }

    @Test
    void charactersAreReplacedByTheModelsTable() {
        assertIds("x\uFB01", 3, 15, 14);
        assertIds("\uFF21", 3, 16);
        assertIds("e\u0301é", 3, 13, 13); // one entry of two characters
        assertIds("½", 3, 17, UNKNOWN, 18); // one character, three in its place
        assertIds("c\u0001at", 9); // nothing in its place
        assertIds("\u0001"); // and then the space in front is one at the end
    }

    @Test
    void aRunOfUnknownCharactersIsOneToken() {
        assertIds("\u4F60\u597D\uD83D\uDE00", 3, UNKNOWN);
        assertIds("a\u4F60x\u597D", 4, UNKNOWN, 15, UNKNOWN);
        assertIds("\u4F60 \u597D", 3, UNKNOWN, 3, UNKNOWN);
        assertIds("x\uD83D", 3, 15, UNKNOWN);
    }

    @Test
    void specialTokensInTheTextAreCutOutAndThePartsEncodedApart() {
        assertIds("<extra_id_0> cat", EXTRA_0, 9);
        assertIds("x<extra_id_99>x", 3, 15, 19, 3, 15);
        assertIds("a </s> <pad><unk>", 4, 1, 0, 2);
        assertIds("<unk>\u4F60", UNKNOWN, 3, UNKNOWN);
        assertThat(tokenizer.encode("<extra_id_100>"))
                .doesNotContain(EXTRA_0 - 100)
                .contains(UNKNOWN, 17);
        assertThat(tokenizer.vocabularySize()).isEqualTo(119);
    }

    @Test
    void longTextsAreCutAndEndMarked() {
        assertThat(tokenizer.encode("cat ".repeat(600)))
                .hasSize(512)
                .endsWith(9, END)
                .doesNotContain(0);
        assertThat(tokenizer.encode("cat cat cat", 3)).containsExactly(9, 9, END);
        assertThat(tokenizer.encode("cat cat", 3)).containsExactly(9, 9, END);
        assertThat(tokenizer.encode("cat", 1)).containsExactly(END);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> tokenizer.encode("cat", 0))
                .withMessageContaining("maximum length 0");
    }

    @Test
    void paddingFillsUpToTheLength() {
        assertThat(tokenizer.encodePadded("a cat", 6)).containsExactly(4, 9, END, 0, 0, 0);
        assertThat(tokenizer.encodePadded("a cat", 2)).containsExactly(4, END);
        assertThat(tokenizer.encodePadded("", 1)).containsExactly(END);
    }

    @Test
    void decodingJoinsPieces() {
        assertThat(tokenizer.decode(4, 12, 9, 11, END, 0, 0)).isEqualTo("a the cat,");
        assertThat(tokenizer.decode(EXTRA_0, 9, 19)).isEqualTo("<extra_id_0> cat<extra_id_99>");
        assertThat(tokenizer.decode(15, UNKNOWN, 15)).isEqualTo("x \u2047 x");
        assertThat(tokenizer.decode()).isEmpty();
        assertThatIllegalArgumentException()
                .isThrownBy(() -> tokenizer.decode(119))
                .withMessage("decode: id 119 is outside the vocabulary of 119 tokens");
    }

    @Test
    void theUsualIdsAreFound() {
        assertThat(tokenizer.padId()).isZero();
        assertThat(tokenizer.endId()).isEqualTo(END);
        assertThat(tokenizer.unknownId()).isEqualTo(UNKNOWN);
    }

    @Test
    void anyTextIsEncodedWithIdsOfTheVocabulary() {
        var random = new Random(3);
        for (int i = 0; i < 5000; i++) {
            String text = RandomText.next(random);
            int[] ids = tokenizer.encode(text);
            assertThat(ids).endsWith(END);
            assertThat(TokenCases.asList(ids)).allMatch(id -> id >= 0 && id < tokenizer.vocabularySize());
        }
    }

    @Test
    void knownTextComesBackWithItsWhiteSpaceCollapsed() {
        var random = new Random(4);
        String letters = "actsx, \t";
        for (int i = 0; i < 2000; i++) {
            var text = new StringBuilder();
            random.ints(random.nextInt(30), 0, letters.length()).forEach(at -> text.append(letters.charAt(at)));
            String expected = text.toString().strip().replaceAll("[ \t]+", " ");
            assertThat(tokenizer.decode(tokenizer.encode(text.toString()))).isEqualTo(expected);
        }
    }

    @Test
    void aHundredThousandCharactersTakeSeconds() {
        for (String unit : new String[] {"cat", "c", " ", "\u4F60", "<", "\u2581"}) {
            String text = unit.repeat(100_000 / unit.length());
            int[] ids = Assertions.assertTimeoutPreemptively(
                    Duration.ofSeconds(20), () -> tokenizer.encode(text, 200_000), unit);
            assertThat(ids).endsWith(END);
        }
    }
}
