package dev.palimpsest.models.vincie;

import dev.palimpsest.kernels.Shape;
import dev.palimpsest.models.api.EditSession;
import dev.palimpsest.models.diffusion.EulerSampler;
import dev.palimpsest.models.image.ImageTransforms;
import dev.palimpsest.models.image.Resampling;
import dev.palimpsest.models.image.RgbImage;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.random.RandomSource;
import java.awt.image.BufferedImage;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// A session of [Vincie]: every turn shows the model all pictures and prompts so far.
///
/// What a turn need not compute again (encoded pictures and prompts) is kept between turns on the Java heap, so a
/// session that is dropped leaves nothing behind.
public final class VincieSession implements EditSession {
    private static final Pattern OUTER_STOPS = Pattern.compile("^\\.+|\\.+$");

    private final Vincie vincie;
    private final EditOptions options;
    private final List<RgbImage> images;
    private final List<String> prompts = new ArrayList<>();
    private final List<Kept> means = new ArrayList<>();
    private final List<Kept> logvars = new ArrayList<>();
    private final List<Kept> texts = new ArrayList<>();
    private @Nullable Kept negative;

    VincieSession(Vincie vincie, List<RgbImage> images, List<String> introductions, EditOptions options) {
        this.vincie = vincie;
        this.images = new ArrayList<>(images);
        this.options = options;
        introductions.forEach(this::checkPrompt);
        prompts.addAll(introductions);
        checkCount(images.size());
    }

    /// A tensor's numbers, kept on the heap.
    private record Kept(float[] values, int[] dims) {
        static Kept of(Tensor t) {
            return new Kept(t.toFloatArray(), t.shape().dims());
        }

        Tensor tensor() {
            return Tensor.of(values, dims);
        }
    }

    @Override
    public BufferedImage apply(String prompt) {
        return apply(prompt, 1).getFirst();
    }

    /// Applies the next instruction several times, with the seeds from the options' on upwards. The session goes on
    /// with the last picture.
    ///
    /// @param repeats how many pictures to make, at least 1
    /// @return the pictures in the order of their seeds
    public List<BufferedImage> apply(String prompt, int repeats) {
        checkPrompt(prompt);
        if (repeats < 1) {
            throw new IllegalArgumentException("repeats: " + repeats + " must be at least 1");
        }
        checkCount(prompts.size() + 1);
        options.cancellation().check();
        return Scope.run(() -> {
            for (int i = texts.size(); i < prompts.size(); i++) {
                texts.add(encodeText("encode prompt", prompts.get(i)));
            }
            Kept states = encodeText("encode prompt", withPlaceholders(prompt));
            List<RgbImage> made = turn(states, repeats);
            // Only a finished turn becomes part of the session.
            prompts.add(prompt);
            texts.add(states);
            images.add(made.getLast());
            return made.stream().map(RgbImage::toBufferedImage).toList();
        });
    }

    @Override
    public List<BufferedImage> images() {
        return images.stream().map(RgbImage::toBufferedImage).toList();
    }

    @Override
    public List<String> prompts() {
        return List.copyOf(prompts);
    }

    private void checkPrompt(String prompt) {
        if (prompt.isBlank()) {
            throw new IllegalArgumentException("the prompt is empty; say what to change");
        }
    }

    private void checkCount(int count) {
        int limit = vincie.pipeline().promptIds().prompts();
        if (count > limit) {
            throw new IllegalArgumentException(
                    "this would be prompt " + count + " of the session; this model takes at most " + limit);
        }
    }

    /// The prompt as the model was trained to read it.
    private String withPlaceholders(String prompt) {
        if (!options.imagePlaceholders()) {
            return prompt;
        }
        int image = prompts.size();
        String instruction = OUTER_STOPS.matcher(prompt.strip()).replaceAll("");
        return "Based on <IMG" + image + ">, " + instruction + ". Output <IMG" + (image + 1) + ">: ";
    }

    private List<RgbImage> turn(Kept prompt, int repeats) {
        VinciePipeline pipeline = vincie.pipeline();
        List<Kept> all = new ArrayList<>(texts);
        all.add(prompt);
        Tensor positive = fuse(all); // (L, width)
        Tensor avoided = fuse(List.of(negative())); // (L', width)
        Posterior posterior = posterior(); // (T, 16, 1, h, w)
        EulerSampler sampler = vincie.config().sampler(options);
        List<RgbImage> made = new ArrayList<>();
        for (int r = 0; r < repeats; r++) {
            long seed = options.seed() + r;
            made.add(Scope.run(() -> {
                RandomSource random = options.noise().from(seed);
                Tensor mean = posterior.mean(); // (T, 16, 1, h, w)
                int frames = mean.dim(0) + 1;
                Tensor noise = randn(random, frames, mean.dim(3), mean.dim(4), mean.dim(1)); // (T + 1, h, w, 16)
                Tensor latents = options.posterior() == EditOptions.PosteriorUse.MEAN
                        ? posterior.mode()
                        : posterior.sample(random); // (T, 16, 1, h, w)
                Tensor condition = pipeline.condition(latents); // (T + 1, h, w, 17)
                options.progress().update("denoise", 0, sampler.steps());
                Tensor denoised = pipeline.denoise(
                        sampler,
                        options.guidance(),
                        noise,
                        condition,
                        positive,
                        avoided,
                        step -> options.progress().update("denoise", step.index() + 1, step.count()),
                        options.cancellation()); // (T + 1, h, w, 16)
                options.cancellation().check();
                options.progress().update("decode image", 0, 1);
                RgbImage image = ImageTransforms.toImage(pipeline.decode(denoised, frames - 1));
                options.progress().update("decode image", 1, 1);
                return image;
            }));
        }
        return made;
    }

    private static Tensor randn(RandomSource random, int... dims) {
        float[] values = new float[Math.toIntExact(Shape.of(dims).elements())];
        random.randn(values);
        return Tensor.of(values, dims);
    }

    private Tensor fuse(List<Kept> states) {
        VinciePipeline pipeline = vincie.pipeline();
        int[] lengths = states.stream().mapToInt(k -> k.dims[0]).toArray();
        Tensor packed = Tensor.concat(states.stream().map(Kept::tensor).toList(), 0); // (sum of lengths, width)
        return pipeline.fusion().fuse(packed, lengths, pipeline.promptIds().table());
    }

    /// Token states of one prompt. They do not depend on the other prompts, so they are good for the whole session.
    private Kept encodeText(String stage, String prompt) {
        options.progress().update(stage, 0, 1);
        Kept states = Scope.run(() -> {
            int[] ids = vincie.tokenizer().encode(prompt);
            return Kept.of(vincie.pipeline()
                    .text()
                    .encode(List.of(ids), options.cancellation())
                    .embeddings());
        });
        options.progress().update(stage, 1, 1);
        return states;
    }

    private Kept negative() {
        if (negative == null) {
            negative = encodeText("encode negative prompt", options.negativePrompt());
        }
        return negative;
    }

    /// Distributions of the latents of all pictures; only new pictures are encoded.
    private Posterior posterior() {
        RgbImage first = images.getFirst();
        for (int i = means.size(); i < images.size(); i++) {
            options.cancellation().check();
            options.progress().update("encode images", i, images.size());
            RgbImage sized = Resampling.BICUBIC.resize(images.get(i), first.width(), first.height());
            Scope.run(() -> {
                Tensor pixels = vincie.pipeline().pixels(sized, options.aspectRatio(), options.resolution());
                Posterior p = vincie.pipeline().encodeImages(pixels.unsqueeze(1)); // (1, 16, 1, h, w)
                means.add(Kept.of(p.mean()));
                logvars.add(Kept.of(p.logvar()));
                return null;
            });
            options.progress().update("encode images", i + 1, images.size());
        }
        return new Posterior(joined(means), joined(logvars));
    }

    private static Tensor joined(List<Kept> parts) {
        return Tensor.concat(parts.stream().map(Kept::tensor).toList(), 0);
    }
}
