/// Tokenizers: text to token ids and back, in plain Java.
///
/// [dev.palimpsest.models.text.QwenTokenizer] is the byte-level byte-pair encoder of VINCIE's text encoder,
/// [dev.palimpsest.models.text.T5Tokenizer] the SentencePiece unigram tokenizer of Infinity's;
/// [dev.palimpsest.models.text.WordSpans] finds the tokens of a word of a prompt.
@NullMarked
package dev.palimpsest.models.text;

import org.jspecify.annotations.NullMarked;
