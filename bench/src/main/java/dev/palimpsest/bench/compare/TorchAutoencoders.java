package dev.palimpsest.bench.compare;

import dev.palimpsest.bench.peers.Torch;
import dev.palimpsest.bench.peers.Torch.Value;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.models.infinity.BsqVaeConfig;
import dev.palimpsest.models.vincie.CausalVideoVaeConfig;
import dev.palimpsest.tensor.Tensor;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// The decoders of the autoencoders in ops of libtorch, channels innermost, which is the layout in which its
/// convolutions are fastest.
final class TorchAutoencoders {
    private static final int GROUPS = 32;
    private static final double EPS = 1e-6;

    private final Torch torch;
    private final RandomModel model;
    private final Field field;
    private final Map<String, Value> lasting = new HashMap<>();

    /// @param field keeps weights that are laid out anew
    TorchAutoencoders(Torch torch, RandomModel model, Field field) {
        this.torch = torch;
        this.model = model;
        this.field = field;
    }

    // ---- Infinity

    /// Decodes latents.
    ///
    /// @param x `(1, d, h, w)`, channels innermost
    /// @return `(1, 3, h p, w p)`
    Value infinity(Value x, BsqVaeConfig config) {
        List<Integer> widths = config.decoderWidths();
        Value h = conv(x, "decoder.conv_in", 1);
        h = residual(h, "decoder.mid.block_1", "nin_shortcut");
        h = residual(h, "decoder.mid.block_2", "nin_shortcut");
        for (int i = widths.size() - 1; i >= 0; i--) {
            for (int j = 0; j <= config.residualBlocks(); j++) {
                h = residual(h, "decoder.up." + i + ".block." + j, "nin_shortcut");
            }
            if (i >= 1 && i <= config.halvings()) {
                h = conv(
                        torch.upsampleNearest(h, 2 * torch.extent(h, 2), 2 * torch.extent(h, 3)),
                        "decoder.up." + i + ".upsample.conv",
                        1);
            }
        }
        return conv(torch.silu(normed(h, "decoder.norm_out")), "decoder.conv_out", 1);
    }

    // ---- VINCIE

    /// Decodes the latent of a single picture.
    ///
    /// @param x `(1, d, h, w)`, channels innermost
    /// @return `(1, 3, 8h, 8w)`
    Value vincie(Value x, CausalVideoVaeConfig config) {
        String up = "decoder.up_blocks.";
        Value h = conv(x, "decoder.conv_in", 1);
        h = residual(h, "decoder.mid_block.resnets.0", "conv_shortcut");
        h = attention(h, "decoder.mid_block.attentions.0");
        h = residual(h, "decoder.mid_block.resnets.1", "conv_shortcut");
        for (int i = 0; i < config.blocks(); i++) {
            for (int j = 0; j <= config.layersPerBlock(); j++) {
                h = residual(h, up + i + ".resnets." + j, "conv_shortcut");
            }
            if (i < config.blocks() - 1) {
                h = upsampled(h, up + i + ".upsamplers.0");
            }
        }
        return conv(torch.silu(normed(h, "decoder.conv_norm_out")), "decoder.conv_out", 1);
    }

    /// One head over all positions.
    private Value attention(Value x, String at) {
        long height = torch.extent(x, 2);
        long width = torch.extent(x, 3);
        long c = torch.extent(x, 1);
        Value tokens = torch.reshape(torch.permute(x, 0, 2, 3, 1), height * width, c); // (L, C)
        Value normed =
                torch.reshape(torch.permute(normed(x, at + ".group_norm"), 0, 2, 3, 1), height * width, c); // (L, C)
        Value q = torch.reshape(linear(normed, at + ".to_q"), 1, 1, height * width, c); // (1, 1, L, C)
        Value k = torch.reshape(linear(normed, at + ".to_k"), 1, 1, height * width, c); // (1, 1, L, C)
        Value v = torch.reshape(linear(normed, at + ".to_v"), 1, 1, height * width, c); // (1, 1, L, C)
        Value attended = torch.attention(q, k, v, null, false, 1 / Math.sqrt((double) c)); // (1, 1, L, C)
        Value out = linear(torch.reshape(attended, height * width, c), at + ".to_out.0"); // (L, C)
        Value sum = torch.reshape(torch.add(tokens, out), 1, height, width, c); // (1, h, w, C)
        return torch.permute(sum, 0, 3, 1, 2);
    }

    /// Twice the rows and columns: a 1x1 convolution makes the four new pixels of each as channels `(x y C)`.
    private Value upsampled(Value x, String at) {
        long height = torch.extent(x, 2);
        long width = torch.extent(x, 3);
        long c = torch.extent(x, 1);
        String name = at + ".upscale_conv";
        Value y = torch.convolution(
                x, firstFrame(name + ".weight", c), firstFrame(name + ".bias", c), new long[] {1, 1}, new long[] {0, 0
                });
        Value pixels = torch.reshape(torch.permute(y, 0, 2, 3, 1), height, width, 2, 2, c); // (h, w, s, s, C)
        Value placed = torch.reshape(torch.permute(pixels, 0, 2, 1, 3, 4), 1, 2 * height, 2 * width, c);
        return conv(torch.permute(placed, 0, 3, 1, 2), at + ".conv", 1);
    }

    /// Of the channels `(x y z C)` those of the first frame z; a single picture needs no others.
    private Value firstFrame(String name, long channels) {
        return lasting.computeIfAbsent(name, n -> {
            NdArray all = model.get(n); // (x y z C, C, 1, 1, 1) or (x y z C)
            int c = (int) channels;
            int inner = all.rank() == 1 ? 1 : c;
            NdArray frames = Field.reshaped(all, 4, (int) (all.elements() / 4 / c / inner), c, inner); // (s s, z, C, C)
            NdArray first = field.converted(frames.slice(1, 0, 1), DType.F32); // (s s, 1, C, C)
            return torch.lasting(
                    all.rank() == 1 ? Field.reshaped(first, 4 * c) : Field.reshaped(first, 4 * c, c, 1, 1));
        });
    }

    // ---- shared

    private Value residual(Value x, String at, String shortcut) {
        Value h = conv(torch.silu(normed(x, at + ".norm1")), at + ".conv1", 1);
        h = conv(torch.silu(normed(h, at + ".norm2")), at + ".conv2", 1);
        boolean same = !model.has(at + "." + shortcut + ".weight") && !model.has(at + "." + shortcut + ".conv.weight");
        return torch.add(same ? x : conv(x, at + "." + shortcut, 0), h);
    }

    private Value normed(Value x, String at) {
        String name = at + (model.has(at + ".weight") ? "" : ".norm");
        return torch.groupNorm(x, GROUPS, w(name + ".weight"), w(name + ".bias"), EPS);
    }

    private Value linear(Value x, String name) {
        return torch.linear(x, w(name + ".weight"), w(name + ".bias"));
    }

    private Value conv(Value x, String at, long padding) {
        String name = at + (model.has(at + ".weight") ? "" : ".conv");
        return torch.convolution(
                x, filter(name + ".weight"), w(name + ".bias"), new long[] {1, 1}, new long[] {padding, padding});
    }

    private Value w(String name) {
        return lasting.computeIfAbsent(name, n -> torch.lasting(model.get(n)));
    }

    /// A weight `(O, C, kH, kW)` with its channels innermost; one that reaches over time is summed over it.
    private Value filter(String name) {
        return lasting.computeIfAbsent(name, n -> {
            NdArray weight = model.get(n); // (O, C, kT, kH, kW) or (O, C, kH, kW)
            NdArray flat = weight.rank() == 5
                    ? Tensor.borrow(weight, n).sum(2).squeeze(2).array()
                    : weight; // (O, C, kH, kW)
            NdArray copy = field.converted(flat.permute(0, 2, 3, 1), DType.F32); // (O, kH, kW, C)
            return torch.lasting(copy.permute(0, 3, 1, 2));
        });
    }
}
