package dev.palimpsest.examples;

import dev.palimpsest.models.image.ImageFiles;
import dev.palimpsest.models.image.RgbImage;
import dev.palimpsest.models.vincie.EditOptions;
import dev.palimpsest.models.vincie.Vincie;
import dev.palimpsest.models.vincie.VincieSession;
import java.awt.image.BufferedImage;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import picocli.CommandLine.Model.CommandSpec;

/// A job for VINCIE: what can be wrong is found before anything is computed, then every turn's pictures are written as
/// soon as they are there, each whole or not at all.
final class VincieRun {
    private static final String CAMERA_PREFIX = "CAMERA_PREFIX";

    private final PrintWriter out;
    private final PrintWriter err;
    private final Surroundings surroundings;
    private final VincieOptions options;

    VincieRun(CommandSpec spec, Surroundings surroundings, VincieOptions options) {
        this.out = spec.commandLine().getOut();
        this.err = spec.commandLine().getErr();
        this.surroundings = surroundings;
        this.options = options;
    }

    /// A written picture.
    private record Written(int turn, int repeat, long seed, String prompt, Path file) {}

    /// What the session starts from.
    ///
    /// @param names what the pictures are called
    /// @param introductions prompts that belong to the pictures, one less than there are
    /// @param turns prompts that make a picture each
    private record Job(List<String> names, List<RgbImage> images, List<String> introductions, List<String> turns) {}

    /// Edits a picture turn by turn.
    ///
    /// @param name what the picture is called
    void edit(String name, RgbImage image) {
        run(new Job(List.of(name), List.of(image), List.of(), prompts()), false);
    }

    /// Makes one picture of several.
    ///
    /// @param names what the pictures are called
    void compose(List<String> names, List<RgbImage> images) {
        int n = images.size();
        List<String> prompts = prompts();
        Job job;
        if (prompts.size() == 1 && n > 1) {
            List<String> introductions =
                    IntStream.range(1, n).mapToObj(i -> "<IMG" + i + ">: ").toList();
            job = new Job(names, images, introductions, List.of(instruction(prompts.getFirst(), n)));
        } else if (prompts.size() >= n) {
            job = new Job(names, images, prompts.subList(0, n - 1), prompts.subList(n - 1, prompts.size()));
        } else {
            throw new UserException(
                    n + " pictures need one prompt, or " + n + " and more; there are " + prompts.size());
        }
        run(job, true);
    }

    /// An instruction as VINCIE was trained to read it, unless it is written so already.
    private static String instruction(String prompt, int images) {
        if (prompt.contains("Output <IMG")) {
            return prompt;
        }
        String sources =
                IntStream.range(0, images).mapToObj(i -> "<IMG" + i + ">").collect(Collectors.joining(", "));
        String plain = prompt.strip().replaceAll("^\\.+|\\.+$", "");
        return "Based on " + sources + ", " + plain + ". Output <IMG" + images + ">: ";
    }

    private List<String> prompts() {
        String prefix = surroundings.environment().getOrDefault(CAMERA_PREFIX, "");
        List<String> prompts = new ArrayList<>();
        for (String prompt : options.prompts) {
            if (prompt.isBlank()) {
                throw new UserException("prompt " + (prompts.size() + 1) + " is empty; say what to change");
            }
            prompts.add(prefix + prompt);
        }
        return prompts;
    }

    private void run(Job job, boolean compose) {
        if (options.repeats < 1) {
            throw new UserException("--repeat: " + options.repeats + " must be at least 1");
        }
        if (options.index < 0) {
            throw new UserException("--index: " + options.index + " must not be negative");
        }
        options.over(EditOptions.defaults()); // finds options that make no sense before a model is opened
        long start = System.nanoTime();
        List<Written> written = new ArrayList<>();
        Path given = options.model;
        Interruption.guard(err, cancellation -> {
            try (var _ = new OutputFolder("--out", options.out)) {
                Engine.kernels();
                try (DemoModel.Folder folder = given == null ? demo() : DemoModel.Folder.of(given);
                        Vincie vincie = load(folder.path());
                        var progress = new ProgressDisplay(err, surroundings.terminal())) {
                    EditOptions edit = options.over(vincie.options())
                            .withProgress(progress)
                            .withCancellation(cancellation);
                    List<List<Path>> files = files(vincie, job, edit);
                    List<BufferedImage> images =
                            job.images().stream().map(RgbImage::toBufferedImage).toList();
                    VincieSession session = compose
                            ? vincie.compose(images, job.introductions(), edit)
                            : vincie.edit(images.getFirst(), edit);
                    for (int turn = 0; turn < files.size(); turn++) {
                        progress.task("turn " + (turn + 1) + " of " + files.size());
                        List<BufferedImage> pictures = session.apply(job.turns().get(turn), options.repeats);
                        progress.end();
                        for (int r = 0; r < pictures.size(); r++) {
                            long seed = edit.seed() + r;
                            Path file = files.get(turn).get(r);
                            var settings = settings(job, session, edit.withSeed(seed), folder.path());
                            write(pictures.get(r), file, settings);
                            written.add(new Written(turn, r, seed, job.turns().get(turn), file));
                        }
                    }
                }
            }
        });
        report(written, given == null, (System.nanoTime() - start) / 1e9);
    }

    private void write(BufferedImage picture, Path file, Map<String, String> settings) {
        ImageFiles.writePng(RgbImage.of(picture), file, settings);
        if (!options.json) {
            out.println(file);
            out.flush();
        }
    }

    /// A random model, for want of a given one.
    private DemoModel.Folder demo() {
        DemoModel.Folder folder = DemoModel.provide(surroundings.cache());
        err.println("No --model is given: this is a tiny random model, "
                + (folder.temporary() ? "made for this run." : "written to " + folder.path() + "."));
        err.flush();
        return folder;
    }

    private Vincie load(Path folder) {
        try {
            return Vincie.load(folder, options.arithmetic.load());
        } catch (IllegalArgumentException e) {
            throw new UserException(folder + ": " + e.getMessage(), e);
        }
    }

    /// The names of all pictures, one list a turn.
    private List<List<Path>> files(Vincie vincie, Job job, EditOptions edit) {
        int prompts = job.introductions().size() + job.turns().size();
        int limit = vincie.pipeline().promptIds().prompts();
        if (prompts > limit) {
            throw new UserException(
                    "there are " + prompts + " prompts, and this model takes at most " + limit + " in a session");
        }
        Path out = options.out.normalize();
        Set<Path> all = new HashSet<>();
        List<List<Path>> files = new ArrayList<>();
        for (int turn = 0; turn < job.turns().size(); turn++) {
            List<Path> ofTurn = new ArrayList<>();
            for (int r = 0; r < options.repeats; r++) {
                Path file = out.resolve(vincie.config().fileName(options.index, turn, r, edit.seed() + r))
                        .normalize();
                if (!file.startsWith(out) || !all.add(file)) {
                    throw new UserException(
                            "the output_filename of the model's config.json does not give every picture "
                                    + "a name of its own in the output folder: " + file);
                }
                ofTurn.add(file);
            }
            files.add(ofTurn);
        }
        return files;
    }

    /// How a picture was made, for its file to tell.
    private Map<String, String> settings(Job job, VincieSession session, EditOptions o, Path model) {
        Map<String, String> text = new LinkedHashMap<>();
        text.put("Software", "palimpsest");
        text.put("Model", "VINCIE, " + EditCommand.name(model.toAbsolutePath().normalize()));
        text.put("Images", String.join(", ", job.names()));
        List<String> prompts = session.prompts();
        for (int i = 0; i < prompts.size(); i++) {
            text.put("Prompt " + (i + 1), prompts.get(i));
        }
        text.put("Negative prompt", o.negativePrompt());
        text.put("Seed", Long.toString(o.seed()));
        text.put("Steps", Integer.toString(o.steps()));
        text.put("Shift", Double.toString(o.shift()));
        text.put("Guidance", Double.toString(o.guidance().scale()));
        text.put("Guidance rescale", Double.toString(o.guidance().rescale()));
        text.put("Guidance partial", Double.toString(o.guidance().partial()));
        text.put("Resolution", Integer.toString(o.resolution()));
        text.put("Aspect ratio", o.aspectRatio().toString());
        text.put("Noise", Words.of(o.noise()));
        text.put("Posterior", Words.of(o.posterior()));
        options.arithmetic.describe(text);
        return text;
    }

    private void report(List<Written> written, boolean demo, double seconds) {
        if (options.json) {
            JsonOutput.write(out, g -> {
                g.writeBooleanProperty("demo", demo);
                g.writeNumberProperty("seconds", seconds);
                g.writeArrayPropertyStart("pictures");
                for (Written w : written) {
                    g.writeStartObject();
                    g.writeNumberProperty("turn", w.turn());
                    g.writeNumberProperty("repeat", w.repeat());
                    g.writeNumberProperty("seed", w.seed());
                    g.writeStringProperty("prompt", w.prompt());
                    g.writeStringProperty("file", w.file().toString());
                    g.writeEndObject();
                }
                g.writeEndArray();
            });
            return;
        }
        out.printf(
                "%s in %s after %.1f s%n",
                Text.count(written.size(), "picture"),
                options.out.toAbsolutePath().normalize(),
                seconds);
        if (demo) {
            out.println("The model is random, so the pictures are noise: give trained weights with --model.");
        }
        out.flush();
    }
}
