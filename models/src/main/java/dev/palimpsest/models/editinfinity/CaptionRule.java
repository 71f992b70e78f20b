package dev.palimpsest.models.editinfinity;

import java.util.ArrayList;
import java.util.List;

/// What becomes of a source prompt before a model learns from it.
///
/// @param cutsAtDashes whether "--" and everything behind it is left out, as in captions that end in settings
/// @param dropsSentences whether an update may see the first sentences only, where there are more than two; how many
///     is drawn anew for every update
public record CaptionRule(boolean cutsAtDashes, boolean dropsSentences) {
    /// As in the original with a caption of one or two sentences: cut at dashes.
    public static final CaptionRule ORIGINAL = new CaptionRule(true, false);

    private static final String DASHES = "--";

    /// These rules with or without [#cutsAtDashes].
    public CaptionRule withCutsAtDashes(boolean cutsAtDashes) {
        return new CaptionRule(cutsAtDashes, dropsSentences);
    }

    /// These rules with or without [#dropsSentences].
    public CaptionRule withDropsSentences(boolean dropsSentences) {
        return new CaptionRule(cutsAtDashes, dropsSentences);
    }

    /// A prompt as it is learned from: cut if it is to be, and without white space at both ends. What is all dashes
    /// stays.
    public String caption(String prompt) {
        int dashes = cutsAtDashes ? prompt.indexOf(DASHES) : -1;
        String cut = dashes < 0 ? prompt.strip() : prompt.substring(0, dashes).strip();
        return cut.isEmpty() ? prompt.strip() : cut;
    }

    /// The texts of which one is drawn for every update, the whole caption last.
    ///
    /// @param caption see [#caption]
    public List<String> variants(String caption) {
        List<String> variants = new ArrayList<>();
        if (dropsSentences) {
            List<Integer> ends = sentenceEnds(caption);
            if (ends.size() > 2) {
                ends.removeLast();
                ends.forEach(end -> variants.add(caption.substring(0, end)));
            }
        }
        variants.add(caption);
        return variants;
    }

    /// Where sentences end, the full stop not included.
    private static List<Integer> sentenceEnds(String caption) {
        List<Integer> ends = new ArrayList<>();
        int start = 0;
        for (int at = 0; at <= caption.length(); at++) {
            if (at == caption.length() || caption.charAt(at) == '.') {
                if (!caption.substring(start, at).isBlank()) {
                    ends.add(at);
                }
                start = at + 1;
            }
        }
        return ends;
    }
}
