package dev.palimpsest.models.text;

/// Turns text into the token ids a language model reads, and ids back into text.
///
/// Implementations are immutable and may be shared between threads. Text is any Java string; an unpaired surrogate,
/// which no encoding can express, is read as U+FFFD.
public interface Tokenizer {

    /// Encodes a text.
    ///
    /// @param text any string, the empty one included
    /// @return the ids, each in `0 .. vocabularySize() - 1`; a new array
    int[] encode(String text);

    /// Decodes ids to text. Bytes that are not valid UTF-8 (an id sequence may end inside a character) become U+FFFD.
    ///
    /// @param ids ids in `0 .. vocabularySize() - 1`
    /// @return the text
    /// @throws IllegalArgumentException if an id lies outside the vocabulary
    String decode(int... ids);

    /// The number of ids, special tokens included. A model's embedding table may have more rows: they are padding.
    ///
    /// @return one more than the largest id
    int vocabularySize();
}
