package dev.palimpsest.models.infinity;

import dev.palimpsest.models.infinity.ScaleSchedule.Scale;

/// The scales of a picture, and the grid in which the positions of all their tokens are counted.
///
/// @param schedule the scales in tokens
/// @param frame size of the last scale that a picture of this shape has when it has about a million pixels, whatever
///     the size of this picture is
public record PictureLayout(ScaleSchedule schedule, Scale frame) {
    /// The layout of a picture.
    ///
    /// @param heightToWidth height divided by width; the nearest of [ScaleSchedule#ratios] is taken
    /// @throws IllegalArgumentException unless this is a positive number
    public static PictureLayout of(double heightToWidth, PictureSize size) {
        return of(ScaleSchedule.of(heightToWidth, size), heightToWidth);
    }

    /// The layout of a picture with some of the scales of its shape.
    ///
    /// @param schedule the first scales of the shape's table
    /// @param heightToWidth height divided by width; the nearest of [ScaleSchedule#ratios] is taken
    /// @throws IllegalArgumentException unless this is a positive number
    public static PictureLayout of(ScaleSchedule schedule, double heightToWidth) {
        return new PictureLayout(
                schedule, ScaleSchedule.of(heightToWidth, PictureSize.P_1M).last());
    }
}
