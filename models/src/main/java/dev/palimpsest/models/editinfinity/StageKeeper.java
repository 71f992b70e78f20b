package dev.palimpsest.models.editinfinity;

import dev.palimpsest.models.editinfinity.InvertOptions.Stage;
import dev.palimpsest.tensor.nn.Lora;
import dev.palimpsest.tensor.optim.AdamW;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Follows one stage of an inversion: restores and keeps its state if there is a place for it, and tells those who
/// listen.
final class StageKeeper implements InversionTrainer.Keeper, InversionTrainer.Listener {
    private final InvertOptions options;
    private final Stage stage;
    private final @Nullable TrainingState state;
    private final @Nullable Stage interrupted;
    private final @Nullable LearnedPrompt prompt;
    private final @Nullable Lora adapters;

    /// @param state where the state is kept, or null if it is not
    /// @param interrupted the stage whose state is kept there already, if any is
    /// @param prompt learned in this stage or before it
    /// @param adapters learned in this stage, or null if it is that of the prompt
    StageKeeper(
            InvertOptions options,
            Stage stage,
            @Nullable TrainingState state,
            @Nullable Stage interrupted,
            @Nullable LearnedPrompt prompt,
            @Nullable Lora adapters) {
        this.options = options;
        this.stage = stage;
        this.state = state;
        this.interrupted = interrupted;
        this.prompt = prompt;
        this.adapters = adapters;
    }

    private int updates() {
        return stage == Stage.PROMPT ? options.promptUpdates() : options.adapterUpdates();
    }

    private String label() {
        return stage == Stage.PROMPT ? "learn prompt" : "learn adapters";
    }

    @Override
    public int restore(AdamW optimiser) {
        int done = 0;
        if (state != null && interrupted == stage) {
            done = state.restore(
                    stage,
                    adapters != null
                            ? InversionTrainer.learned(adapters)
                            : prompt != null ? List.of(prompt.embedding()) : List.of(),
                    optimiser);
        }
        options.progress().update(label(), done, updates());
        return done;
    }

    @Override
    public void keep(int update, AdamW optimiser) {
        if (state != null && (update % options.checkpointEvery() == 0 || update == updates())) {
            state.save(stage, update, optimiser, prompt, adapters);
        }
    }

    @Override
    public void updated(int update, double loss, double gradientNorm) {
        // in this order, so that who shows progress can show the loss with it
        options.listener().updated(stage, update, loss, gradientNorm);
        options.progress().update(label(), update, updates());
    }
}
