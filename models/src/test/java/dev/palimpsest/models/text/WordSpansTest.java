package dev.palimpsest.models.text;

import static org.assertj.core.api.Assertions.assertThat;

import dev.palimpsest.models.text.WordSpans.Span;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;

@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class WordSpansTest {
    private T5Tokenizer tokenizer;

    @BeforeAll
    void load(@TempDir Path folder) throws IOException {
        tokenizer = SmallVocabularies.t5(folder);
    }

    @Test
    void aSpanRunsToTheNextWordAndTheLastOneIncludesTheEndMark() {
        // _the | _cat , | _ x s | </s>
        var spans = WordSpans.of(tokenizer, "the cat, xs");
        assertThat(spans.find("the")).contains(new Span(0, 1));
        assertThat(spans.find("cat,")).contains(new Span(1, 3));
        assertThat(spans.find("xs")).contains(new Span(3, 7));
        assertThat(spans.all()).containsOnlyKeys("the", "cat,", "xs");
    }

    @Test
    void wordsAreMatchedExactly() {
        var spans = WordSpans.of(tokenizer, "the cat, xs");
        assertThat(spans.find("cat")).isEmpty();
        assertThat(spans.find("The")).isEmpty();
        assertThat(spans.find("")).isEmpty();
        assertThat(spans.find(" ")).isEmpty();
    }

    @Test
    void aPhraseSpansFromItsFirstWordToItsLast() {
        var spans = WordSpans.of(tokenizer, "the cat, a cat");
        assertThat(spans.find("the  cat,")).contains(new Span(0, 3));
        assertThat(spans.find("cat, cat")).isEmpty();
        assertThat(spans.find("the cat, a cat")).contains(new Span(0, 6));
    }

    @Test
    void ofARepeatedWordTheLastOccurrenceCounts() {
        assertThat(WordSpans.of(tokenizer, "a cat a cat a").find("a")).contains(new Span(4, 6));
    }

    @Test
    void aPhraseWhoseFirstWordRecursKeepsTheOriginalsInconsistentSpan() {
        assertThat(WordSpans.of(tokenizer, "a cat a the").find("a cat")).contains(new Span(2, 2));
        assertThat(WordSpans.of(tokenizer, "a cat the a").find("a cat")).contains(new Span(3, 2));
    }

    @Test
    void aWordThatNormalisesToTwoKeepsBothAsItsTokens() {
        var spans = WordSpans.of(tokenizer, "  a  a\u200Bcat\tthe ");
        assertThat(spans.find("a\u200Bcat")).contains(new Span(1, 3));
        assertThat(spans.find("the")).contains(new Span(3, 5));
    }

    @Test
    void specialTokensBelongToTheWordTheyAreWrittenIn() {
        // _ x <extra_id_1> _ x | _cat | </s>
        var spans = WordSpans.of(tokenizer, "x<extra_id_1>x cat");
        assertThat(spans.find("x<extra_id_1>x")).contains(new Span(0, 5));
        assertThat(spans.find("cat")).contains(new Span(5, 7));
    }

    @Test
    void wordsWithoutTokensHaveNoSpan() {
        assertThat(WordSpans.of(tokenizer, "").all()).isEmpty();
        assertThat(WordSpans.of(tokenizer, "a \u0001 cat").all()).containsOnlyKeys("a", "cat");
        var cut = WordSpans.of(tokenizer, "cat ".repeat(511) + "the");
        assertThat(cut.find("the")).isEmpty();
        assertThat(cut.find("cat")).contains(new Span(510, 512));
    }
}
