package dev.palimpsest.models.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.io.IOException;
import java.nio.file.Path;
import java.text.Normalizer;
import java.time.Duration;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class QwenTokenizerTest {
    private static final int END = SmallVocabularies.END_OF_TEXT;

    private QwenTokenizer tokenizer;

    @BeforeAll
    void load(@TempDir Path folder) throws IOException {
        tokenizer = SmallVocabularies.qwen(folder);
    }

    @ParameterizedTest
    @CsvSource(
            quoteCharacter = '"',
            value = {
                "the, 258",
                "\" the\", 259",
                "other, 111 258 114",
                "hers, 257 114 115", // he ranks before er, which is out of reach then
                "thee, 258 101",
                "crown, 260",
                "\" crown\", 267 114 111 119 110", // the piece has a space, which merges; "crown" is no product of
                // merges
                "the crown, 258 267 114 111 119 110",
                "cat's, 99 268 263",
                "\"a   b\", 97 264 32 98", // three spaces: two, and one that belongs to the word
                "\"a\n\nb\", 97 266 98",
            })
    void mergesGoByRankInsideEachPiece(String text, String ids) {
        assertThat(tokenizer.encode(text))
                .containsExactly(Arrays.stream(ids.split(" "))
                        .mapToInt(Integer::parseInt)
                        .toArray());
    }

    @Test
    void textIsNormalisedFirst() {
        assertThat(tokenizer.encode("cafe\u0301")).containsExactly('c', 'a', 'f', 265);
        assertThat(tokenizer.decode(tokenizer.encode("\u212B"))).isEqualTo("\u00C5");
    }

    @Test
    void specialTokensFollowTheLastRankAndAreRecognisedInText() {
        assertThat(tokenizer.endOfText()).isEqualTo(END);
        assertThat(tokenizer.vocabularySize()).isEqualTo(END + 208);
        assertThat(tokenizer.encode("the<|endoftext|> the<|im_start|><|im_end|><|extra_0|><|extra_204|>"))
                .containsExactly(258, END, 259, END + 1, END + 2, END + 3, END + 207);
        assertThat(tokenizer.decode(END, 259, END + 207)).isEqualTo("<|endoftext|> the<|extra_204|>");
    }

    @Test
    void whatOnlyLooksLikeASpecialTokenIsText() {
        for (String text :
                new String[] {"<|extra_205|>", "<|extra_00|>", "<|endoftext", "<|ENDOFTEXT|>", "<endoftext>"}) {
            assertThat(tokenizer.encode(text))
                    .as(text)
                    .containsExactly(text.chars().toArray());
        }
        assertThat(tokenizer.encode("<|<|endoftext|>")).containsExactly('<', '|', END);
    }

    @Test
    void aSpecialTokenEndsTheTextBeforeIt() {
        // At an end white space stays together; before a word it would give its last space away.
        assertThat(tokenizer.encode("  <|im_end|>")).containsExactly(264, END + 2);
        assertThat(tokenizer.encode("  x")).containsExactly(' ', ' ', 'x');
    }

    @Test
    void theEmptyTextHasNoTokens() {
        assertThat(tokenizer.encode("")).isEmpty();
        assertThat(tokenizer.decode()).isEmpty();
    }

    @Test
    void bytesThatAreNoTextDecodeToTheReplacementCharacter() {
        assertThat(tokenizer.decode('a', 0xC3, 'b', 0xF0, 0x9F, 0x98)).isEqualTo("a\uFFFDb\uFFFD");
        assertThat(tokenizer.decode(0xF0, 0x9F, 0x98, 0x80)).isEqualTo("\uD83D\uDE00");
    }

    @Test
    void idsOutsideTheVocabularyAreRefused() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> tokenizer.decode(0, END + 208))
                .withMessage("decode: id 477 is outside the vocabulary of 477 tokens");
        assertThatIllegalArgumentException().isThrownBy(() -> tokenizer.decode(-1));
    }

    @Test
    void unpairedSurrogatesBecomeTheReplacementCharacter() {
        assertThat(tokenizer.decode(tokenizer.encode("a\uD83Db\uDE00"))).isEqualTo("a\uFFFDb\uFFFD");
        assertThat(tokenizer.decode(tokenizer.encode("\uD83D"))).isEqualTo("\uFFFD");
    }

    @Test
    void decodingWhatWasEncodedGivesTheTextInNormalFormC() {
        var random = new Random(20240607);
        for (int i = 0; i < 5000; i++) {
            String text = RandomText.next(random);
            String expected = Normalizer.normalize(CodePoints.wellFormed(text), Normalizer.Form.NFC);
            assertThat(tokenizer.decode(tokenizer.encode(text))).isEqualTo(expected);
        }
    }

    @Test
    void onePieceOfAHundredThousandCharactersTakesSeconds() {
        // A scan over all pairs after every merge would take 10^10 steps.
        for (String unit : new String[] {"the", "a", " ", "\n", "!", "<|"}) {
            String text = unit.repeat(100_000 / unit.length());
            int[] ids =
                    Assertions.assertTimeoutPreemptively(Duration.ofSeconds(20), () -> tokenizer.encode(text), unit);
            assertThat(tokenizer.decode(ids)).isEqualTo(text);
        }
    }
}
