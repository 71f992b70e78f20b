package dev.palimpsest.models.vincie;

import dev.palimpsest.models.api.Cancellation;
import dev.palimpsest.models.diffusion.Denoiser;
import dev.palimpsest.models.diffusion.EulerSampler;
import dev.palimpsest.models.diffusion.Guidance;
import dev.palimpsest.models.image.ImageTransforms;
import dev.palimpsest.models.image.Resampling;
import dev.palimpsest.models.image.RgbImage;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;

/// The stations of an edit as functions on tensors, in the order in which a turn passes them: [#pixels],
/// [#encodeImages], [#condition], [#encodeText], [#denoise], [#decode].
///
/// All pictures of a turn, the given ones and the one to be made, are frames of one latent video; T counts the given
/// ones, h and w are an eighth of the pixels.
///
/// @param dit the denoiser
/// @param promptIds numbers of prompts as vectors
/// @param vae between pixels and latents
/// @param text the text encoder
/// @param fusion how prompts carry their number
public record VinciePipeline(
        NaDit dit, PromptIdEmbedding promptIds, CausalVideoVae vae, QwenEncoder text, PromptFusion fusion)
        implements Scope.Holder {
    /// Checks that the parts fit together.
    ///
    /// @throws IllegalArgumentException naming the two sizes that do not
    public VinciePipeline {
        int latent = vae.config().latentChannels();
        if (dit.config().vidOutChannels() != latent || dit.config().vidInChannels() != 2 * latent + 1) {
            throw new IllegalArgumentException("the transformer takes "
                    + dit.config().vidInChannels()
                    + " channels and gives " + dit.config().vidOutChannels() + ", which does not fit the autoencoder's "
                    + latent + " (it must take twice as many and one)");
        }
        int width = text.config().hidden();
        if (dit.config().txtInDim() != width || promptIds.width() != width) {
            throw new IllegalArgumentException("the text encoder gives vectors of width " + width
                    + ", but the transformer takes " + dit.config().txtInDim() + " and the prompt numbers have "
                    + promptIds.width());
        }
    }

    @Override
    public Iterable<Tensor> tensors() {
        List<Tensor> all = new ArrayList<>();
        for (Scope.Holder part : List.of(dit, promptIds, vae, text)) {
            part.tensors().forEach(all::add);
        }
        return all;
    }

    /// Prepares pictures: all of them in the size of the first (as PIL resizes), cropped to the aspect ratio, resized
    /// to the area of `resolution * resolution` pixels, cropped to whole patches, from -1 to 1.
    ///
    /// @return `(3, T, H, W)`
    public Tensor pixels(List<RgbImage> images, AspectRatio aspect, int resolution) {
        return Scope.run(() -> {
            List<Tensor> frames = new ArrayList<>();
            RgbImage first = images.getFirst();
            for (RgbImage image : images) {
                RgbImage sized = Resampling.BICUBIC.resize(image, first.width(), first.height());
                frames.add(pixels(sized, aspect, resolution));
            }
            return Tensor.stack(frames, 1);
        });
    }

    /// Prepares one picture that has the right size already; see the other [#pixels].
    ///
    /// @return `(3, H, W)`
    Tensor pixels(RgbImage image, AspectRatio aspect, int resolution) {
        return Scope.run(() -> {
            int multiple = vae.config().spatialFactor() * dit.config().patchHeight();
            Tensor x = aspect.crop(ImageTransforms.toFloat(image)); // (3, h, w)
            x = ImageTransforms.resizeToArea(x, resolution); // (3, h', w')
            return ImageTransforms.normalise(ImageTransforms.centreCropToMultiple(x, multiple)); // (3, H, W)
        });
    }

    /// Encodes every picture on its own.
    ///
    /// @param pixels `(3, T, H, W)`
    /// @return distributions of latents `(T, 16, 1, h, w)`, unscaled
    public Posterior encodeImages(Tensor pixels) {
        return Scope.run(() -> {
            List<Tensor> means = new ArrayList<>();
            List<Tensor> logvars = new ArrayList<>();
            for (int t = 0; t < pixels.dim(1); t++) {
                Posterior p = vae.encode(pixels.select(1, t).unsqueeze(0));
                means.add(p.mean());
                logvars.add(p.logvar());
            }
            return new Posterior(Tensor.concat(means, 0), Tensor.concat(logvars, 0));
        });
    }

    /// Puts the latents of the given pictures and an empty frame for the picture to be made behind each other, with a
    /// mask that is 1 for the given ones.
    ///
    /// @param latents as sampled from the encoder's distribution, `(T, 16, 1, h, w)`
    /// @return `(T + 1, h, w, 17)`
    public Tensor condition(Tensor latents) {
        return Scope.run(() -> {
            Tensor scaled = vae.scale(latents).squeeze(2).permute(0, 2, 3, 1); // (T, h, w, 16)
            int frames = scaled.dim(0);
            int channels = scaled.dim(3);
            Tensor condition = Tensor.zeros(frames + 1, scaled.dim(1), scaled.dim(2), channels + 1);
            Tensor given = condition.slice(0, 0, frames); // (T, h, w, 17)
            given.slice(3, 0, channels).copyInPlace(scaled);
            given.slice(3, channels, channels + 1).fillInPlace(1);
            return condition;
        });
    }

    /// Encodes the prompts of a session, each with its number.
    ///
    /// @param prompts token ids of each prompt
    /// @return `(L, width)`
    public Tensor encodeText(List<int[]> prompts, Cancellation cancellation) {
        return Scope.run(() -> {
            QwenEncoder.Encoded encoded = text.encode(prompts, cancellation);
            return fusion.fuse(encoded.embeddings(), encoded.lengths(), promptIds.table());
        });
    }

    /// Turns noise into the latents of all frames.
    ///
    /// @param noise `(T + 1, h, w, 16)`
    /// @param condition `(T + 1, h, w, 17)`
    /// @param positive text to follow `(L, width)`
    /// @param negative text to avoid `(L', width)`; used only in steps that are guided
    /// @param listener told about every step; states and predictions are `((T + 1) h w, 16)`
    /// @param cancellation looked at before every step and every block
    /// @return `(T + 1, h, w, 16)`, scaled
    public Tensor denoise(
            EulerSampler sampler,
            Guidance guidance,
            Tensor noise,
            Tensor condition,
            Tensor positive,
            Tensor negative,
            EulerSampler.Listener listener,
            Cancellation cancellation) {
        return Scope.run(() -> {
            VideoShape shape = new VideoShape(noise.dim(0), noise.dim(1), noise.dim(2));
            Tensor given = condition.flatten(0, 2); // (positions, 17)
            Denoiser denoiser = (x, t, step) -> {
                Tensor vid = Tensor.concat(List.of(x, given), 1); // (positions, 33)
                Tensor followed = predict(vid, shape, positive, t, cancellation); // (positions, 16)
                double scale = guidance.scaleAt(step, sampler.steps());
                if (scale == 1) {
                    return followed;
                }
                Tensor avoided = predict(vid, shape, negative, t, cancellation); // (positions, 16)
                return new Guidance(scale, guidance.rescale(), 1).combine(followed, avoided);
            };
            Tensor latents = sampler.sample(noise.flatten(0, 2), denoiser, listener, cancellation); // (positions, 16)
            return latents.reshape(noise.shape());
        });
    }

    /// One prediction of the transformer.
    ///
    /// @param vid noisy latents, condition and mask `(positions, 33)`
    /// @param txt `(L, width)`
    /// @return `(positions, 16)`
    public Tensor predict(Tensor vid, VideoShape shape, Tensor txt, double t, Cancellation cancellation) {
        return Scope.run(() -> dit.forward(PackedInput.of(vid, shape, txt, t), AttentionLayout.FULL, cancellation));
    }

    /// Decodes one frame.
    ///
    /// @param latents scaled latents of all frames `(T + 1, h, w, 16)`
    /// @return `(3, H, W)`, about -1 to 1
    public Tensor decode(Tensor latents, int frame) {
        return Scope.run(() -> {
            Tensor latent = latents.slice(0, frame, frame + 1).permute(0, 3, 1, 2); // (1, 16, h, w)
            return vae.decode(vae.unscale(latent)).squeeze(0); // (3, H, W)
        });
    }
}
