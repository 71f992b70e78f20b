package dev.palimpsest.models.text;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/// Compares every id with the originals'.
class TokenizerGoldenTest {

    @Test
    void qwenGivesTheOriginalsIdsWithTheRealVocabulary() throws IOException {
        Path list = TokenCases.shared("golden/vincie/tokenizer_qwen.json");
        checkQwen(list, QwenTokenizer.load(TokenCases.shared("data/qwen/qwen.tiktoken")), 151643);
    }

    @Test
    void qwenGivesTheOriginalsIdsWithATinyVocabulary() throws IOException {
        Path list = TokenCases.shared("golden/vincie/tokenizer_qwen_tiny.json");
        checkQwen(list, QwenTokenizer.load(TokenCases.shared("golden/vincie/qwen_tiny.tiktoken")), 512);
    }

    private static void checkQwen(Path list, QwenTokenizer tokenizer, int endOfText) throws IOException {
        assertThat(tokenizer.endOfText()).isEqualTo(endOfText);
        assertThat(tokenizer.vocabularySize()).isEqualTo(endOfText + 208);
        for (var golden : TokenCases.read(list)) {
            assertThat(TokenCases.asList(tokenizer.encode(golden.text())))
                    .as(golden.text())
                    .isEqualTo(golden.ids());
            if (golden.decoded() != null) {
                assertThat(tokenizer.decode(TokenCases.asArray(golden.ids()))).isEqualTo(golden.decoded());
            }
        }
    }

    @Test
    void t5GivesTheOriginalsIds() throws IOException {
        Path list = TokenCases.shared("golden/infinity/tokenizer_t5.json");
        var tokenizer = T5Tokenizer.load(TokenCases.shared("data/t5/spiece.model"));
        assertThat(tokenizer.vocabularySize()).isEqualTo(32100);
        assertThat(List.of(tokenizer.padId(), tokenizer.endId(), tokenizer.unknownId()))
                .containsExactly(0, 1, 2);
        for (var golden : TokenCases.read(list)) {
            assertThat(TokenCases.asList(tokenizer.encode(golden.text())))
                    .as(golden.text())
                    .isEqualTo(golden.ids());
        }
    }

    @Test
    void wordSpansAreTheOriginals() throws IOException {
        Path list = TokenCases.shared("golden/infinity/word_token_spans.json");
        var tokenizer = T5Tokenizer.load(TokenCases.shared("data/t5/spiece.model"));
        for (var golden : TokenCases.readSpans(list)) {
            var spans = WordSpans.of(tokenizer, golden.prompt());
            Map<String, List<Integer>> found = new LinkedHashMap<>();
            if (golden.targets() == null) {
                spans.all().forEach((word, span) -> found.put(word, List.of(span.start(), span.end())));
            } else {
                for (String target : golden.targets()) {
                    spans.find(target).ifPresent(span -> found.put(target, List.of(span.start(), span.end())));
                }
            }
            assertThat(found).as(golden.prompt()).isEqualTo(golden.mapping());
            assertThat(TokenCases.asList(tokenizer.encode(golden.prompt()))).isEqualTo(golden.ids());
        }
    }
}
