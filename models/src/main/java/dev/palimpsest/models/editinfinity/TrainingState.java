package dev.palimpsest.models.editinfinity;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.models.editinfinity.InvertOptions.Stage;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.nn.Lora;
import dev.palimpsest.tensor.optim.AdamW;
import dev.palimpsest.tensor.random.RandomSource;
import dev.palimpsest.weights.Checkpoint;
import dev.palimpsest.weights.CheckpointException;
import dev.palimpsest.weights.SafeTensorsWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/// The state of learning in a file, from which it goes on as if it had not been interrupted: what has been learned,
/// the optimiser's moments, the random source, the stage and the number of its last update.
///
/// Tensors are `prompt` and `adapters.<i>` (what has been learned so far, absent where nothing was), `first.<i>` and
/// `second.<i>` (moments of the stage's optimiser) and `random` (bytes of the random source).
final class TrainingState {
    private static final String STAGE = "stage";
    private static final String UPDATE = "update";
    private static final String PROMPT = "prompt";
    private static final String ADAPTERS = "adapters.";
    private static final String FIRST = "first.";
    private static final String SECOND = "second.";
    private static final String RANDOM = "random";

    private final Path file;
    private final RandomSource random;

    /// The state in a file, which need not be there.
    ///
    /// @param random the source that learning draws from
    TrainingState(Path file, RandomSource random) {
        this.file = file;
        this.random = random;
    }

    /// The stage that was interrupted, or null if nothing is stored.
    ///
    /// @throws CheckpointException if the file is damaged
    @Nullable
    Stage stage() {
        if (!Files.exists(file)) {
            return null;
        }
        try (Checkpoint checkpoint = Checkpoint.open(file)) {
            String name = checkpoint.metadata().getOrDefault(STAGE, "");
            for (Stage stage : Stage.values()) {
                if (label(stage).equals(name)) {
                    return stage;
                }
            }
            throw damaged("names no stage that there is", null);
        }
    }

    private static String label(Stage stage) {
        return stage.name().toLowerCase(Locale.ROOT);
    }

    /// Writes the state after an update.
    ///
    /// @param adapters those that are being learned, or null before there are any
    void save(Stage stage, int update, AdamW optimiser, @Nullable LearnedPrompt prompt, @Nullable Lora adapters) {
        SafeTensorsWriter writer =
                new SafeTensorsWriter().metadata(STAGE, label(stage)).metadata(UPDATE, Integer.toString(update));
        if (prompt != null) {
            writer.add(PROMPT, prompt.embedding().array());
        }
        if (adapters != null) {
            add(writer, ADAPTERS, InversionTrainer.learned(adapters));
        }
        add(writer, FIRST, optimiser.firstMoments());
        add(writer, SECOND, optimiser.secondMoments());
        Scope.run(() -> {
            byte[] state = random.state();
            int[] bytes = new int[state.length];
            for (int i = 0; i < bytes.length; i++) {
                bytes[i] = state[i] & 0xff;
            }
            writer.add(RANDOM, Tensor.of(bytes, bytes.length).to(DType.U8).array())
                    .write(file);
            return null;
        });
    }

    private static void add(SafeTensorsWriter writer, String name, List<Tensor> tensors) {
        for (int i = 0; i < tensors.size(); i++) {
            writer.add(name + i, tensors.get(i).array());
        }
    }

    /// Overwrites the learned prompt with the stored one.
    ///
    /// @throws CheckpointException if the file is damaged
    void restore(LearnedPrompt prompt) {
        reading(checkpoint -> {
            Tensor stored = Tensor.borrow(checkpoint.tensor(PROMPT), PROMPT);
            requireSame(stored, prompt.embedding());
            prompt.embedding().copyInPlace(stored);
            return 0;
        });
    }

    /// Overwrites what a stage learns, its optimiser and the random source with what is stored.
    ///
    /// @param learned the prompt's rows, or the adapters' tensors
    /// @return the number of the last update
    /// @throws CheckpointException if the file is damaged
    int restore(Stage stage, List<Tensor> learned, AdamW optimiser) {
        return reading(checkpoint -> {
            List<Tensor> stored = stage == Stage.PROMPT
                    ? List.of(Tensor.borrow(checkpoint.tensor(PROMPT), PROMPT))
                    : tensors(checkpoint, ADAPTERS, learned.size());
            int update = Integer.parseInt(checkpoint.metadata().getOrDefault(UPDATE, ""));
            for (int i = 0; i < stored.size(); i++) {
                requireSame(stored.get(i), learned.get(i));
            }
            random.restore(randomState(checkpoint));
            optimiser.restore(
                    update, tensors(checkpoint, FIRST, learned.size()), tensors(checkpoint, SECOND, learned.size()));
            for (int i = 0; i < stored.size(); i++) {
                learned.get(i).copyInPlace(stored.get(i));
            }
            return update;
        });
    }

    private static byte[] randomState(Checkpoint checkpoint) {
        float[] bytes = Tensor.borrow(checkpoint.tensor(RANDOM), RANDOM).toFloatArray();
        byte[] state = new byte[bytes.length];
        for (int i = 0; i < state.length; i++) {
            state[i] = (byte) (int) bytes[i];
        }
        return state;
    }

    private static void requireSame(Tensor stored, Tensor own) {
        if (!stored.shape().equals(own.shape()) || stored.dtype() != own.dtype()) {
            throw new IllegalArgumentException(stored + " is not like " + own);
        }
    }

    private static List<Tensor> tensors(Checkpoint checkpoint, String name, int count) {
        List<Tensor> tensors = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            tensors.add(Tensor.borrow(checkpoint.tensor(name + i), name + i));
        }
        return tensors;
    }

    private interface Reader {
        int read(Checkpoint checkpoint);
    }

    private int reading(Reader reader) {
        try (Checkpoint checkpoint = Checkpoint.open(file)) {
            return Scope.run(() -> reader.read(checkpoint));
        } catch (IllegalArgumentException e) {
            throw damaged("does not fit this inversion: " + e.getMessage(), e);
        }
    }

    private CheckpointException damaged(String reason, @Nullable Exception cause) {
        return new CheckpointException(file, reason + "; remove it to begin again", cause);
    }
}
