package dev.palimpsest.models.infinity;

import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.weights.CheckpointException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// Where the parts of an Infinity model lie in its folder.
///
/// @param transformer file or folder of shards, `infinity_2b_reg.pth`
/// @param vae file of the autoencoder, `infinity_vae_d32reg.pth`
/// @param textEncoder folder of the text encoder, `flan-t5-xl`
/// @param vocabulary the text encoder's `spiece.model`
/// @param settings the folder's `config.json`, perhaps empty
public record InfinityFolder(Path transformer, Path vae, Path textEncoder, Path vocabulary, JsonObject settings) {
    private static final String ANY = "infinity_";
    private static final String VAE = "infinity_vae";
    private static final String TEXT_ENCODER = "flan-t5-xl";
    private static final String CONFIG = "config.json";

    /// Finds the parts: by the names that `config.json` gives as `transformer`, `vae` and `text_encoder`; else the
    /// autoencoder is what is called `infinity_vae...`, the transformer what is called `infinity_...`, and the text
    /// encoder lies in `flan-t5-xl`, as in the released files.
    ///
    /// @throws CheckpointException if a part is missing, or there are several and the folder does not say which
    public static InfinityFolder of(Path folder) {
        if (!Files.isDirectory(folder)) {
            throw new CheckpointException(
                    folder, Files.exists(folder) ? "is a file, not a model folder" : "there is no such model folder");
        }
        Path config = folder.resolve(CONFIG);
        JsonObject settings = Files.exists(config) ? JsonObject.read(config) : JsonObject.empty(config.toString());
        Path textEncoder = part(folder, settings, "text_encoder", TEXT_ENCODER::equals);
        Path beside = textEncoder.resolve("spiece.model");
        Path vocabulary = Files.exists(beside) || !Files.exists(folder.resolve("spiece.model"))
                ? beside
                : folder.resolve("spiece.model");
        return new InfinityFolder(
                part(folder, settings, "transformer", name -> name.startsWith(ANY) && !name.startsWith(VAE)),
                part(folder, settings, "vae", name -> name.startsWith(VAE)),
                textEncoder,
                vocabulary,
                settings);
    }

    /// The text encoder's own `config.json`, empty if it has none.
    JsonObject textSettings() {
        Path config = textEncoder.resolve(CONFIG);
        return Files.exists(config) ? JsonObject.read(config) : JsonObject.empty(config.toString());
    }

    private static Path part(Path folder, JsonObject settings, String field, Predicate<String> released) {
        if (settings.has(field)) {
            Path named = folder.resolve(settings.text(field));
            if (!Files.exists(named)) {
                throw new CheckpointException(
                        named,
                        "there is no such file or folder, though " + settings.origin() + " names it as " + field);
            }
            return named;
        }
        List<Path> found;
        try (Stream<Path> files = Files.list(folder)) {
            found = files.filter(file -> released.test(String.valueOf(file.getFileName())))
                    .sorted()
                    .toList();
        } catch (IOException e) {
            throw new CheckpointException(folder, "cannot be listed: " + e.getMessage(), e);
        }
        String words = field.replace('_', ' ');
        if (found.isEmpty()) {
            throw new CheckpointException(
                    folder,
                    "holds no " + words + " by its released name; it is not the folder of an Infinity model, or its "
                            + CONFIG + " must name the file as " + field);
        }
        if (found.size() > 1) {
            String names =
                    found.stream().map(p -> String.valueOf(p.getFileName())).collect(Collectors.joining(", "));
            throw new CheckpointException(
                    folder,
                    "holds more than one " + words + " (" + names + "); name the one to use in " + CONFIG + " as "
                            + field);
        }
        return found.getFirst();
    }
}
