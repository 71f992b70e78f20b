package dev.palimpsest.models.infinity;

import dev.palimpsest.weights.WeightTree;
import java.util.ArrayList;
import java.util.List;

/// Sizes of the autoencoder. All of them can be read from the shapes of its tensors.
///
/// @param channels number d of latent channels, that is of bits of a position
/// @param encoderWidths channels of the encoder's levels, full resolution first
/// @param decoderWidths channels of the decoder's levels, full resolution first
/// @param residualBlocks residual blocks in a level of the encoder; the decoder has one more
/// @param halvings how often rows and columns are halved
public record BsqVaeConfig(
        int channels, List<Integer> encoderWidths, List<Integer> decoderWidths, int residualBlocks, int halvings) {
    /// Copies the lists and checks that there are enough levels to halve.
    public BsqVaeConfig {
        encoderWidths = List.copyOf(encoderWidths);
        decoderWidths = List.copyOf(decoderWidths);
        if (channels < 1 || residualBlocks < 1) {
            throw new IllegalArgumentException("vae: " + channels + " latent channels and " + residualBlocks
                    + " residual blocks to a level; there must be one at least");
        }
        if (halvings < 0 || halvings > encoderWidths.size() || halvings >= decoderWidths.size()) {
            throw new IllegalArgumentException("vae: " + encoderWidths.size() + " levels of the encoder and "
                    + decoderWidths.size() + " of the decoder are too few to halve the picture " + halvings + " times");
        }
    }

    /// Pixels to a position of the latent, along each side.
    public int patchSize() {
        return 1 << halvings;
    }

    /// Reads the sizes from the weights.
    ///
    /// @param weights the node with `encoder` and `decoder`
    /// @throws dev.palimpsest.weights.CheckpointException if a tensor that tells a size is not there
    public static BsqVaeConfig from(WeightTree weights) {
        WeightTree down = weights.at("encoder").at("down");
        WeightTree up = weights.at("decoder").at("up");
        int halvings = 0;
        while (down.at(halvings).hasUnder("downsample")) {
            halvings++;
        }
        return new BsqVaeConfig(
                BsqVae.inner(weights.at("encoder").at("conv_out"), BsqVae.CONV)
                        .shape("weight")
                        .dim(0),
                widths(down, weights.at("encoder").count("down")),
                widths(up, weights.at("decoder").count("up")),
                down.at(0).count("block"),
                halvings);
    }

    private static List<Integer> widths(WeightTree levels, int count) {
        List<Integer> widths = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            WeightTree conv = levels.at(i).at("block").at(0).at("conv1");
            widths.add(BsqVae.inner(conv, BsqVae.CONV).shape("weight").dim(0));
        }
        return widths;
    }
}
