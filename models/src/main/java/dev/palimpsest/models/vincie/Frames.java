package dev.palimpsest.models.vincie;

import dev.palimpsest.kernels.Activation;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.nn.GroupNorm;
import java.util.List;

/// Ways to look at a video `(N, C, T, H, W)` whose channels are innermost in memory: `(N, T, H, W, C)` is how it lies
/// there.
///
/// Convolutions write that layout and read it fastest, so everything between them keeps it.
final class Frames {
    private Frames() {}

    /// `(N, C, T, H, W)` seen as `(N, T, H, W, C)`.
    static Tensor channelsLast(Tensor x) {
        return x.permute(0, 2, 3, 4, 1);
    }

    /// `(N, T, H, W, C)` seen as `(N, C, T, H, W)`.
    static Tensor channelsFirst(Tensor x) {
        return x.permute(0, 4, 1, 2, 3);
    }

    /// Videos `(N, C, Ti, H, W)` behind each other in time, channels innermost in memory.
    static Tensor concat(List<Tensor> videos) {
        return videos.size() == 1
                ? videos.getFirst()
                : channelsFirst(
                        Tensor.concat(videos.stream().map(Frames::channelsLast).toList(), 1));
    }

    /// The sum of two videos, channels innermost in memory.
    static Tensor add(Tensor a, Tensor b) {
        return channelsFirst(channelsLast(a).add(channelsLast(b)));
    }

    /// A copy of a video, channels innermost in memory.
    static Tensor copy(Tensor x) {
        return channelsFirst(channelsLast(x).copy());
    }

    /// Group normalisation of every frame for itself, with an activation behind it.
    ///
    /// @param x `(N, C, T, H, W)`
    static Tensor normalise(GroupNorm norm, Tensor x, Activation activation) {
        int n = x.dim(0);
        int t = x.dim(2);
        Tensor frames = x.permute(0, 2, 1, 3, 4).flatten(0, 1).unsqueeze(2); // (N T, C, 1, H, W)
        Tensor y = norm.forward(frames, activation); // (N T, C, 1, H, W)
        return y.reshape(n, t, x.dim(1), x.dim(3), x.dim(4)).permute(0, 2, 1, 3, 4); // (N, C, T, H, W)
    }
}
