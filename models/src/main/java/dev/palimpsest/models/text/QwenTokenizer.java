package dev.palimpsest.models.text;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Path;
import java.text.Normalizer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/// The tokenizer of the first-generation Qwen models: byte-level byte-pair encoding with a `qwen.tiktoken` vocabulary.
///
/// A text is brought to Unicode normal form C, special tokens are cut out wherever they are written, the rest is split
/// into words, digits, punctuation and white space, and the UTF-8 bytes of each piece are merged by rank. Nothing is
/// added at either end. Every byte is a token of its own, so every text can be encoded, and `decode(encode(text))` is
/// the text in normal form C.
///
/// The special tokens follow the last rank: `<|endoftext|>`, `<|im_start|>`, `<|im_end|>`, `<|extra_0|>` ..
/// `<|extra_204|>`; with the real vocabulary of 151,643 ranks they are 151643 .. 151850.
///
/// Source: J. Bai et al., "Qwen Technical Report", arXiv 2309.16609, section 2.2.
public final class QwenTokenizer implements Tokenizer {
    private static final int EXTRA_TOKENS = 205;
    private static final List<String> SPECIAL_NAMES = specialNames();

    private final BytePairEncoder encoder;
    private final SpecialTokens specials;

    private QwenTokenizer(BytePairEncoder encoder) {
        this.encoder = encoder;
        Map<String, Integer> ids = new HashMap<>();
        for (int i = 0; i < SPECIAL_NAMES.size(); i++) {
            ids.put(SPECIAL_NAMES.get(i), encoder.size() + i);
        }
        specials = new SpecialTokens(ids);
    }

    private static List<String> specialNames() {
        List<String> names = new ArrayList<>(List.of("<|endoftext|>", "<|im_start|>", "<|im_end|>"));
        for (int i = 0; i < EXTRA_TOKENS; i++) {
            names.add("<|extra_" + i + "|>");
        }
        return List.copyOf(names);
    }

    /// Loads a vocabulary: one line `base64(bytes) rank` for each token, ranks 0 .. n-1 each exactly once.
    ///
    /// @param path the `.tiktoken` file
    /// @return the tokenizer
    /// @throws VocabularyException if the file is missing, empty, far too large or broken; the message names the line
    /// @throws IOException if reading fails
    public static QwenTokenizer load(Path path) throws IOException {
        return new QwenTokenizer(TiktokenFile.read(path));
    }

    @Override
    public int[] encode(String text) {
        String normal = Normalizer.normalize(CodePoints.wellFormed(text), Normalizer.Form.NFC);
        var ids = IntStream.builder();
        int from = 0;
        for (var hit = specials.find(normal, 0); hit != null; hit = specials.find(normal, from)) {
            encodePlain(normal.substring(from, hit.start()), ids);
            ids.add(hit.id());
            from = hit.end();
        }
        encodePlain(normal.substring(from), ids);
        return ids.build().toArray();
    }

    /// A special token ends the text on both sides of it: the splitter's look-ahead must not see past it.
    private void encodePlain(String text, IntStream.Builder ids) {
        int end;
        for (int from = 0; from < text.length(); from = end) {
            end = QwenSplitter.pieceEnd(text, from);
            encoder.encode(text.substring(from, end).getBytes(UTF_8), ids);
        }
    }

    @Override
    public String decode(int... ids) {
        var bytes = new ByteArrayOutputStream(4 * ids.length);
        for (int id : ids) {
            if (id < 0 || id >= vocabularySize()) {
                throw new IllegalArgumentException(
                        "decode: id " + id + " is outside the vocabulary of " + vocabularySize() + " tokens");
            }
            bytes.writeBytes(
                    id < encoder.size()
                            ? encoder.token(id)
                            : SPECIAL_NAMES.get(id - encoder.size()).getBytes(UTF_8));
        }
        return bytes.toString(UTF_8);
    }

    @Override
    public int vocabularySize() {
        return encoder.size() + SPECIAL_NAMES.size();
    }

    /// The id of `<|endoftext|>`, which is also the first special id: the number of ranks in the file.
    ///
    /// @return 151643 with the real vocabulary
    public int endOfText() {
        return encoder.size();
    }
}
