package dev.palimpsest.models.editinfinity;

import dev.palimpsest.models.image.RgbImage;
import dev.palimpsest.models.infinity.InfinityConfig;
import dev.palimpsest.models.infinity.InfinityPipeline;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.nn.Module;
import dev.palimpsest.weights.CheckpointException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;

/// Short texts that tell models, pictures and files apart.
final class Fingerprints {
    /// Numbers of every tensor that count: few enough that a model of any size takes moments.
    private static final int SAMPLES = 8;

    private static final int BUFFER_BYTES = 1 << 16;

    private Fingerprints() {}

    /// A model, whatever files it comes from: names and shapes of all tensors, a few numbers of each, and the settings
    /// that shapes do not tell. Adapters must not be in it.
    static String of(InfinityPipeline model) {
        MessageDigest digest = sha256();
        InfinityConfig config = model.transformer().config();
        add(
                digest,
                config.ropeMode() + " " + config.spatialPatchify() + " " + config.levelEmbeddingOnce() + " "
                        + config.normEps() + " " + model.tokenizer().vocabularySize());
        for (Module part : List.of(model.transformer(), model.vae(), model.textEncoder())) {
            part.parameters().forEach((name, parameter) -> {
                add(digest, name + " " + parameter.value().shape());
                addSamples(digest, parameter.value());
            });
        }
        return hex(digest);
    }

    private static void addSamples(MessageDigest digest, Tensor tensor) {
        long elements = tensor.elements();
        ByteBuffer samples = ByteBuffer.allocate(SAMPLES * Float.BYTES);
        for (int i = 0; i < SAMPLES && elements > 0; i++) {
            long at = (2L * i + 1) * elements / (2 * SAMPLES);
            int[] index = new int[tensor.rank()];
            for (int axis = index.length - 1; axis >= 0; axis--) {
                index[axis] = (int) (at % tensor.dim(axis));
                at /= tensor.dim(axis);
            }
            samples.putFloat((float) tensor.get(index));
        }
        digest.update(samples.array());
    }

    /// A picture: its size and all its pixels.
    static String of(RgbImage picture) {
        MessageDigest digest = sha256();
        add(digest, picture.width() + " " + picture.height());
        byte[] row = new byte[3 * picture.width()];
        for (int y = 0; y < picture.height(); y++) {
            for (int i = 0; i < row.length; i++) {
                row[i] = (byte) picture.get(i / 3, y, i % 3);
            }
            digest.update(row);
        }
        return hex(digest);
    }

    /// A file's bytes.
    ///
    /// @throws CheckpointException if it cannot be read
    static String of(Path file) {
        MessageDigest digest = sha256();
        byte[] buffer = new byte[BUFFER_BYTES];
        try (InputStream in = Files.newInputStream(file)) {
            for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
                digest.update(buffer, 0, n);
            }
        } catch (IOException e) {
            throw new CheckpointException(file, "cannot be read: " + CheckpointException.describe(e), e);
        }
        return hex(digest);
    }

    private static void add(MessageDigest digest, String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        digest.update(ByteBuffer.allocate(Integer.BYTES).putInt(bytes.length).array());
        digest.update(bytes);
    }

    private static String hex(MessageDigest digest) {
        return HexFormat.of().formatHex(digest.digest());
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }
}
