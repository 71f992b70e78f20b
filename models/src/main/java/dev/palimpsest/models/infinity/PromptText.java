package dev.palimpsest.models.infinity;

import java.util.List;

/// What is put behind a prompt before it is encoded.
public final class PromptText {
    /// Announces a learned prompt, whose rows follow those of the text (EditInfinity, arXiv 2510.20217).
    public static final String LEARNED_STYLE_INSTRUCTION = ", the language style of this prompt is";

    private static final String FACES =
            ". very smooth faces, good looking faces, face to the camera, perfect facial features";

    private static final List<String> PEOPLE = List.of(
            "man",
            "woman",
            "men",
            "women",
            "boy",
            "girl",
            "child",
            "person",
            "human",
            "adult",
            "teenager",
            "employee",
            "employer",
            "worker",
            "mother",
            "father",
            "sister",
            "brother",
            "grandmother",
            "grandfather",
            "son",
            "daughter");

    private PromptText() {}

    /// The prompt with a wish for smooth faces behind it if it speaks of people, else the prompt itself. Words for
    /// people count inside other words too: "mantle" speaks of a man.
    public static String withPositivePrompt(String prompt) {
        return PEOPLE.stream().anyMatch(prompt::contains) ? prompt + FACES : prompt;
    }

    /// The prompt with the words that announce a learned prompt.
    public static String withInstruction(String prompt) {
        return prompt + LEARNED_STYLE_INSTRUCTION;
    }
}
