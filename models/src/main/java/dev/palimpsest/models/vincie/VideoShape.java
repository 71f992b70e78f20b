package dev.palimpsest.models.vincie;

/// Extents of one sample's latent video, whose positions lie behind each other with the column fastest.
///
/// @param frames images, in time
/// @param height rows
/// @param width columns
public record VideoShape(int frames, int height, int width) {
    /// A shape with checked extents.
    ///
    /// @throws IllegalArgumentException if an extent is negative
    public VideoShape {
        if (frames < 0 || height < 0 || width < 0) {
            throw new IllegalArgumentException(
                    "video shape: " + frames + " x " + height + " x " + width + " has a negative extent");
        }
    }

    /// Number of positions.
    public int tokens() {
        return Math.multiplyExact(Math.multiplyExact(frames, height), width);
    }

    @Override
    public String toString() {
        return frames + "x" + height + "x" + width;
    }
}
