package dev.palimpsest.bench.compare;

import dev.palimpsest.bench.peers.Torch;
import dev.palimpsest.bench.peers.Torch.Value;
import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Shape;
import dev.palimpsest.models.infinity.BsqVae;
import dev.palimpsest.models.infinity.BsqVaeConfig;
import dev.palimpsest.models.vincie.CausalVideoVae;
import dev.palimpsest.models.vincie.CausalVideoVaeConfig;
import dev.palimpsest.tensor.Tensor;
import java.util.List;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/// Pictures decoded by the autoencoders, with random weights, beside the same mathematics in ops of libtorch.
final class Autoencoders {
    private static final int SMALL = 256;
    private static final int LARGE = 512;

    private final Session session;
    private final String name;
    private final int channels;
    private final int factor;
    private final boolean largeWhenQuick;

    /// @param channels of a latent
    /// @param factor rows of a picture to one of its latent
    /// @param largeWhenQuick whether the large picture is decoded even when time is short
    private Autoencoders(Session session, String name, int channels, int factor, boolean largeWhenQuick) {
        this.session = session;
        this.name = name;
        this.channels = channels;
        this.factor = factor;
        this.largeWhenQuick = largeWhenQuick;
    }

    /// Makes a decoder of ours.
    private interface Ours {
        /// @return `(1, channels, h, w)` to `(1, 3, h factor, w factor)`
        UnaryOperator<Tensor> make(Field field);
    }

    /// Makes a decoder of libtorch.
    private interface Theirs {
        /// @return `(1, channels, h, w)` to `(1, 3, h factor, w factor)`
        UnaryOperator<Value> make(Torch torch, Field field);
    }

    /// The decoder of Infinity's autoencoder.
    static @Nullable Void infinity(Session session) {
        List<Integer> widths = List.of(128, 256, 512, 512, 512);
        BsqVaeConfig config = new BsqVaeConfig(32, widths, widths, 2, 4);
        try (RandomModel model = RandomModel.of(DType.F32, tree -> new BsqVae(tree, config))) {
            new Autoencoders(session, "infinity vae", config.channels(), config.patchSize(), true)
                    .decode(
                            field -> Blocks.packed(field, new BsqVae(model.tree(), config), Arithmetic.F32)
                                    ::decodeUnlimited,
                            (torch, field) -> {
                                TorchAutoencoders theirs = new TorchAutoencoders(torch, model, field);
                                return x -> theirs.infinity(x, config);
                            });
            return null;
        }
    }

    /// The decoder of VINCIE's autoencoder for a single picture. Both sides convolve it with kernels that are summed
    /// over time beforehand, which is the same as a picture that is repeated in time.
    static @Nullable Void vincie(Session session) {
        CausalVideoVaeConfig config = CausalVideoVaeConfig.defaults();
        try (RandomModel model = RandomModel.of(DType.F32, tree -> new CausalVideoVae(tree, config))) {
            new Autoencoders(session, "vincie vae", config.latentChannels(), config.spatialFactor(), false)
                    .decode(
                            field -> Blocks.packed(field, new CausalVideoVae(model.tree(), config), Arithmetic.F32)
                                    ::decode,
                            (torch, field) -> {
                                TorchAutoencoders theirs = new TorchAutoencoders(torch, model, field);
                                return x -> theirs.vincie(x, config);
                            });
            return null;
        }
    }

    private void decode(Ours ours, Theirs theirs) {
        try (Field field = field(SMALL, ours, theirs)) {
            field.measure();
        }
        if (!session.quick()) {
            try (Field field = field(LARGE, ours, theirs)) {
                field.measure();
            }
        } else if (largeWhenQuick) {
            // four times the work tells little more: all threads will do
            try (Field field = field(LARGE, ours, theirs)) {
                field.measure(session.largestTeam());
            }
        }
    }

    private Field field(int side, Ours ours, Theirs theirs) {
        Field field = new Field(session);
        int size = side / factor;
        NdArray latent = field.random(DType.F32, 1, size, size, channels).permute(0, 3, 1, 2); // (1, C, h, w)
        Shape picture = Shape.of(1, side, side, 3);
        Function<Kernels, Contestant> make = kernels -> {
            UnaryOperator<Tensor> decoder = ours.make(field);
            return Blocks.ours(
                    field,
                    kernels,
                    picture,
                    () -> decoder.apply(Blocks.tensor(latent)).permute(0, 2, 3, 1));
        };
        field.best("f32", make);
        field.torch("f32", torch -> {
            UnaryOperator<Value> decoder = theirs.make(torch, field);
            Value x = torch.lasting(latent);
            return Blocks.theirs(
                    torch, field, picture, t -> t.reshape(t.permute(decoder.apply(x), 0, 2, 3, 1), picture.elements()));
        });
        Blocks.compare(field, name + " decode, " + side + "x" + side, "");
        return field;
    }
}
