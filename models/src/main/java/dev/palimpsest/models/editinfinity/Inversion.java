package dev.palimpsest.models.editinfinity;

import dev.palimpsest.models.editinfinity.EditInfinityPipeline.Source;
import dev.palimpsest.models.image.RgbImage;
import dev.palimpsest.models.infinity.PictureLayout;
import dev.palimpsest.models.infinity.PictureSize;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.nn.Lora;
import java.awt.image.BufferedImage;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// A picture that a model has learned, ready to be rewritten: its bits, the learned prompt and the learned adapters.
///
/// It can be rewritten as often as one likes, saved, and opened again with [EditInfinity#open]. It belongs to the
/// model that learned it and must be closed before that.
public final class Inversion implements AutoCloseable {
    private final EditInfinity editor;
    private final InversionDescription description;
    private final RgbImage picture;
    private final Scope scope;
    private final Learned learned;

    /// What an inversion consists of.
    ///
    /// @param source what is known of the picture
    /// @param prompt rows that follow its prompt, or null if none were learned
    /// @param adapters not attached, or null if none were learned
    record Learned(
            Source source,
            @Nullable LearnedPrompt prompt,
            @Nullable Lora adapters) implements Scope.Holder {
        @Override
        public Iterable<Tensor> tensors() {
            List<Tensor> all = new ArrayList<>();
            for (Scope.Holder part :
                    Stream.of(source, prompt, adapters).filter(Objects::nonNull).toList()) {
                part.tensors().forEach(all::add);
            }
            return all;
        }
    }

    /// @param scope in which the tensors of `learned` live; it ends with this inversion
    Inversion(EditInfinity editor, InversionDescription description, RgbImage picture, Scope scope, Learned learned) {
        this.editor = editor;
        this.description = description;
        this.picture = picture;
        this.scope = scope;
        this.learned = learned;
    }

    /// The prompt that describes the picture, as it was given.
    public String prompt() {
        return description.prompt();
    }

    /// The scales of the pictures that are made from it.
    public PictureLayout layout() {
        return description.layout();
    }

    /// About how many pixels the pictures have that are made from it.
    public PictureSize size() {
        return description.size();
    }

    /// Height divided by width of what was learned, as it was asked for.
    public double heightToWidth() {
        return description.heightToWidth();
    }

    /// What it was made of: the fields of its `inversion.json`, texts, numbers and truth values.
    public Map<String, Object> settings() {
        return description.fields();
    }

    /// The picture as it was given.
    public BufferedImage source() {
        return picture.toBufferedImage();
    }

    /// The picture as its bits alone give it back, in the size of rewritten pictures: what stays of it where nothing
    /// changes.
    public BufferedImage reconstruction() {
        return editor.pipeline().picture(learned.source.sum()).toBufferedImage();
    }

    /// The bits of the picture and what follows from them. They live as long as this inversion.
    public Source bits() {
        return learned.source;
    }

    /// The learned rows, or null if none were learned. They live as long as this inversion.
    public @Nullable LearnedPrompt learnedPrompt() {
        return learned.prompt;
    }

    /// The learned adapters, or null if none were learned. They live as long as this inversion and are in the model
    /// only while it rewrites.
    public @Nullable Lora adapters() {
        return learned.adapters;
    }

    /// Makes the picture again, from another prompt.
    ///
    /// @param prompt what the picture should show, in words: the whole picture, not only the change
    /// @param area which part may change
    /// @throws IllegalArgumentException if the prompt is blank or too long, an option does not fit the model, or words
    ///     that say what may change are not in the prompt they are looked for in
    /// @throws java.util.concurrent.CancellationException if the options' cancellation was used
    public Rewritten rewrite(String prompt, EditArea area, RewriteOptions options) {
        return editor.rewrite(this, prompt, area, options);
    }

    /// Writes this inversion to a folder, which is finished only when all of it is there.
    ///
    /// @param folder a new or empty one, or one that holds the same inversion
    /// @throws IllegalArgumentException if it holds something else
    /// @throws dev.palimpsest.weights.CheckpointException if it cannot be written
    public void save(Path folder) {
        InversionFolder files = InversionFolder.begin(folder, description, picture);
        files.keepBits(learned.source.bits());
        files.finish(learned.prompt, learned.adapters);
    }

    InversionDescription description() {
        return description;
    }

    /// Gives back the memory.
    @Override
    public void close() {
        scope.close();
    }
}
