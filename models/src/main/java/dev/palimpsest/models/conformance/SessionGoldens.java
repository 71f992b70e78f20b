package dev.palimpsest.models.conformance;

import dev.palimpsest.models.api.Cancellation;
import dev.palimpsest.models.diffusion.EulerSampler;
import dev.palimpsest.models.image.ImageTransforms;
import dev.palimpsest.models.image.RgbImage;
import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.models.vincie.CausalVideoVae;
import dev.palimpsest.models.vincie.CausalVideoVaeConfig;
import dev.palimpsest.models.vincie.EditOptions;
import dev.palimpsest.models.vincie.NaDit;
import dev.palimpsest.models.vincie.NaDitConfig;
import dev.palimpsest.models.vincie.Posterior;
import dev.palimpsest.models.vincie.PromptIdEmbedding;
import dev.palimpsest.models.vincie.QwenConfig;
import dev.palimpsest.models.vincie.QwenEncoder;
import dev.palimpsest.models.vincie.VideoShape;
import dev.palimpsest.models.vincie.VincieConfig;
import dev.palimpsest.models.vincie.VinciePipeline;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.weights.WeightTree;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// Whole sessions of VINCIE: `vincie.session`.
///
/// Every turn starts from the pictures that this implementation made in the turns before, as an application would; the
/// noise and the token ids are given.
public final class SessionGoldens implements GoldenEvaluator {
    /// An evaluator.
    public SessionGoldens() {}

    @Override
    public Set<String> kinds() {
        return Set.of("vincie.session");
    }

    /// Pictures may differ where rounding to a grey level went the other way; later turns start from such pictures.
    @Override
    public Tolerance tolerance(GoldenFile file, String key, boolean floating) {
        if (key.endsWith(".image_u8")) {
            return Tolerance.PICTURE;
        }
        if (floating && !key.startsWith("out.turn0.") && file.metadata().containsKey("tol_chained")) {
            JsonObject chained = JsonObject.parse(file.metadata().get("tol_chained"), file.path() + ", tol_chained");
            return new Tolerance.Close(chained.number("rel_l2"), chained.number("max_abs"));
        }
        return GoldenEvaluator.super.tolerance(file, key, floating);
    }

    @Override
    public Map<String, Tensor> evaluate(GoldenFile file) {
        VincieConfig config = VincieConfig.of(file.config());
        VinciePipeline pipeline = pipeline(file, config);
        List<RgbImage> images = new ArrayList<>();
        while (file.hasInput("image" + images.size())) {
            images.add(RgbImage.of(file.input("image" + images.size())));
        }
        Map<String, Tensor> out = new HashMap<>();
        for (int turn = 0; file.hasInput("turn" + turn + ".noise"); turn++) {
            images.add(turn(file, "turn" + turn + ".", config, pipeline, images, out));
        }
        return out;
    }

    private static VinciePipeline pipeline(GoldenFile file, VincieConfig config) {
        WeightTree weights = file.weights();
        WeightTree dit = weights.at("dit");
        WeightTree vae = weights.at("vae");
        WeightTree text = weights.at("text");
        int end = config.text().int32("pad_token_id");
        VinciePipeline pipeline = new VinciePipeline(
                file.attached(new NaDit(dit, NaDitConfig.of(dit, config.dit()))),
                new PromptIdEmbedding(dit.at("prompt_id_embedding")),
                file.attached(new CausalVideoVae(vae, CausalVideoVaeConfig.of(vae, config.vae()))),
                file.attachedWithoutCopies(new QwenEncoder(QwenConfig.from(text, config.text()), text, end)),
                config.fusion());
        weights.requireComplete();
        return pipeline;
    }

    private static RgbImage turn(
            GoldenFile file,
            String in,
            VincieConfig config,
            VinciePipeline pipeline,
            List<RgbImage> images,
            Map<String, Tensor> out) {
        String key = "out." + in;
        EditOptions options = config.options();
        Cancellation never = new Cancellation();

        Tensor pixels = pipeline.pixels(images, options.aspectRatio(), options.resolution()); // (3, T, H, W)
        Posterior posterior = pipeline.encodeImages(pixels); // (T, 16, 1, h, w)
        Tensor latents = file.hasInput(in + "vae_eps")
                ? posterior.sample(file.input(in + "vae_eps").unsqueeze(2))
                : posterior.mode(); // (T, 16, 1, h, w)
        Tensor condition = pipeline.condition(latents); // (T + 1, h, w, 17)
        Tensor positive = pipeline.encodeText(
                TextGoldens.split(file.input(in + "token_ids_flat"), file.input(in + "token_counts")),
                never); // (L, width)
        Tensor negative =
                pipeline.encodeText(List.of(TextGoldens.ints(file.input("negative.token_ids"))), never); // (L', width)

        Tensor noise = file.input(in + "noise"); // (T + 1, h, w, 16)
        Scope scope = Scope.current();
        List<Tensor> states = new ArrayList<>();
        List<Tensor> predictions = new ArrayList<>();
        EulerSampler sampler = config.sampler(options);
        firstPredictions(pipeline, sampler, noise, condition, positive, negative, key, out);
        Tensor denoised = pipeline.denoise(
                sampler,
                options.guidance(),
                noise,
                condition,
                positive,
                negative,
                step -> {
                    states.add(scope.keep(step.next().copy()));
                    predictions.add(scope.keep(step.prediction().copy()));
                },
                never); // (T + 1, h, w, 16)
        List<Tensor> decoded = new ArrayList<>();
        for (int frame = 0; frame < denoised.dim(0); frame++) {
            decoded.add(pipeline.decode(denoised, frame)); // (3, H, W)
        }
        RgbImage image = ImageTransforms.toImage(decoded.getLast());

        out.put(key + "pixels", pixels);
        out.put(key + "condition", condition);
        out.put(key + "text_pos", positive);
        out.put(key + "text_neg", negative);
        out.put(key + "text_pos_shape", Tensor.of(new long[] {positive.dim(0)}, 1, 1));
        out.put(key + "text_neg_shape", Tensor.of(new long[] {negative.dim(0)}, 1, 1));
        out.put(key + "latents_steps", Tensor.stack(states, 0));
        out.put(key + "preds_cfg", Tensor.stack(predictions, 0));
        out.put(key + "latents_final", denoised);
        out.put(key + "decoded", Tensor.stack(decoded, 1));
        out.put(key + "image_u8", image.toTensor());
        return image;
    }

    /// The two predictions that guidance combines in the first step.
    private static void firstPredictions(
            VinciePipeline pipeline,
            EulerSampler sampler,
            Tensor noise,
            Tensor condition,
            Tensor positive,
            Tensor negative,
            String key,
            Map<String, Tensor> out) {
        VideoShape shape = new VideoShape(noise.dim(0), noise.dim(1), noise.dim(2));
        Tensor vid = Tensor.concat(List.of(noise, condition), 3).flatten(0, 2); // (positions, 33)
        double t = sampler.timesteps().get(0);
        Cancellation never = new Cancellation();
        out.put(key + "pred_pos_step0", pipeline.predict(vid, shape, positive, t, never));
        out.put(key + "pred_neg_step0", pipeline.predict(vid, shape, negative, t, never));
    }
}
