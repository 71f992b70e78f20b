package dev.palimpsest.models.text;

import java.util.List;
import java.util.Random;

/// Seeded texts that hit the seams of tokenizers: white space of all kinds, apostrophes, marks, digits, special
/// tokens, and code points from all planes, unpaired surrogates among them.
final class RandomText {
    private static final List<String> FRAGMENTS = List.of(
            "the",
            " the ",
            "crown",
            "'s",
            "'S",
            "'\u017F",
            "'LL",
            "'re",
            "<|endoftext|>",
            "<|extra_204|>",
            "<|",
            "|>",
            "  ",
            "\n",
            "\r\n",
            "\t",
            " \n ",
            "\u0085",
            "\u00A0",
            "\u3000",
            "\u2028",
            "\u200B",
            "\uFEFF",
            "123",
            "½",
            "Ⅷ",
            "...",
            " ?!\n\n",
            "\u4F60\u597D",
            "\uFB01",
            "\u0301",
            "e\u0301",
            "A\u030A",
            "\u1100\u1161\u11A8",
            "\u212B",
            "\u0958",
            "\uD83D\uDE00",
            "\u200D",
            "\u2581",
            "\u0000",
            "</s>",
            "<extra_id_7>",
            "<pad>");

    private RandomText() {}

    static String next(Random random) {
        var text = new StringBuilder();
        for (int i = random.nextInt(12); i >= 0; i--) {
            switch (random.nextInt(4)) {
                case 0, 1 -> text.append(FRAGMENTS.get(random.nextInt(FRAGMENTS.size())));
                case 2 -> text.append((char) (' ' + random.nextInt(95)));
                default -> text.appendCodePoint(random.nextInt(random.nextBoolean() ? 0x3000 : 0x110000));
            }
        }
        return text.toString();
    }
}
