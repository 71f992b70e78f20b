package dev.palimpsest.models.vincie;

import dev.palimpsest.tensor.Tensor;
import java.util.List;

/// Samples of different sizes, packed behind each other without padding ("native resolution"; Dehghani et al. 2023,
/// arXiv 2307.06304).
///
/// @param vid the latent positions of all samples with their channels, `(sum of frames * height * width, channels)`
/// @param vidShapes extents of each sample's latent video, before patching
/// @param txt the text embeddings of all samples, `(sum of lengths, width)`
/// @param txtLengths text tokens of each sample
/// @param timesteps diffusion time of each sample, 0 (clean) to 1000 (noise), `(samples)`
public record PackedInput(
        Tensor vid, List<VideoShape> vidShapes, Tensor txt, List<Integer> txtLengths, Tensor timesteps) {
    /// Packed samples with checked extents.
    ///
    /// @throws IllegalArgumentException if the extents do not fit each other
    public PackedInput {
        vidShapes = List.copyOf(vidShapes);
        txtLengths = List.copyOf(txtLengths);
        int samples = vidShapes.size();
        if (samples == 0 || txtLengths.size() != samples || timesteps.rank() != 1 || timesteps.dim(0) != samples) {
            throw new IllegalArgumentException("packed input: " + samples + " video shapes, " + txtLengths.size()
                    + " text lengths and timesteps " + timesteps.shape() + " are not one of each for every sample");
        }
        int vidTokens = vidShapes.stream().mapToInt(VideoShape::tokens).sum();
        if (vid.rank() != 2 || vid.dim(0) != vidTokens) {
            throw new IllegalArgumentException("packed input: video " + vid.shape() + " does not have the " + vidTokens
                    + " positions of " + vidShapes);
        }
        int txtTokens = txtLengths.stream().mapToInt(Integer::intValue).sum();
        if (txt.rank() != 2 || txt.dim(0) != txtTokens) {
            throw new IllegalArgumentException("packed input: text " + txt.shape() + " does not have the " + txtTokens
                    + " tokens of " + txtLengths);
        }
    }

    /// One sample.
    ///
    /// @param vid `(frames * height * width, channels)`
    /// @param txt `(length, width)`
    /// @param timestep diffusion time
    public static PackedInput of(Tensor vid, VideoShape vidShape, Tensor txt, double timestep) {
        return new PackedInput(
                vid, List.of(vidShape), txt, List.of(txt.dim(0)), Tensor.of(new float[] {(float) timestep}));
    }

    /// Number of samples.
    public int samples() {
        return vidShapes.size();
    }
}
