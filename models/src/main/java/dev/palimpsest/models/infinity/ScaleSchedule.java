package dev.palimpsest.models.infinity;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.stream.Collectors;

/// The sizes, from one position to the whole latent, at which a picture's bits are predicted one after the other (Han
/// et al. 2024, arXiv 2412.04431, table 9).
///
/// There is a table of thirteen scales for each of fifteen shapes of pictures; a smaller [PictureSize] uses the first
/// ones of the same table.
///
/// @param scales sizes in positions of the latent, smallest first
public record ScaleSchedule(List<Scale> scales) {
    /// Pixels to a position of the latent, along each side.
    public static final int PIXELS = 16;

    /// Latent frames that each scale has in a video of any length. In a picture every scale has one.
    public static final List<Integer> VIDEO_FRAMES = List.of(1, 2, 3, 4, 5, 6, 7, 9, 11, 13, 15, 17, 21);

    private static final double SQUARE = 1;

    /// Ratios of height to width with their scales. The table of the reciprocal ratio has rows and columns exchanged.
    private static final List<Template> TEMPLATES = templatesOf("""
            1     1x1 2x2 4x4 6x6 8x8 12x12 16x16 20x20 24x24 32x32 40x40 48x48 64x64
            1.25  1x1 2x2 3x3 5x4 10x8 15x12 20x16 25x20 30x24 35x28 45x36 55x44 70x56
            1.333 1x1 2x2 4x3 8x6 12x9 16x12 20x15 24x18 28x21 36x27 48x36 60x45 72x54
            1.5   1x1 2x2 3x2 6x4 9x6 15x10 21x14 27x18 33x22 39x26 48x32 63x42 78x52
            1.75  1x1 2x2 3x3 7x4 11x6 14x8 21x12 28x16 35x20 42x24 56x32 70x40 84x48
            2     1x1 2x2 4x2 6x3 10x5 16x8 22x11 30x15 38x19 46x23 60x30 74x37 90x45
            2.5   1x1 2x2 5x2 10x4 15x6 20x8 25x10 30x12 40x16 50x20 65x26 80x32 100x40
            3     1x1 2x2 6x2 9x3 15x5 21x7 27x9 36x12 45x15 54x18 72x24 90x30 111x37
            """);

    /// The tables of the quantiser's first version, for square latents only.
    private static final List<ScaleSchedule> FIRST_VERSION = List.of(
            parse("1x1 2x2 3x3 4x4 5x5 6x6 8x8 10x10 13x13 16x16"),
            parse("1x1 2x2 3x3 4x4 6x6 9x9 13x13 18x18 24x24 32x32"),
            parse("1x1 2x2 3x3 4x4 5x5 7x7 9x9 12x12 16x16 21x21 27x27 36x36 48x48 64x64"));

    /// One size.
    ///
    /// @param height rows
    /// @param width columns
    public record Scale(int height, int width) {
        /// Checks that there is at least one position.
        public Scale {
            if (height < 1 || width < 1) {
                throw new IllegalArgumentException("scale: " + height + "x" + width + " has no positions");
            }
        }

        /// Number of positions.
        public int area() {
            return Math.multiplyExact(height, width);
        }

        /// This size with both sides multiplied.
        public Scale times(int factor) {
            return new Scale(Math.multiplyExact(height, factor), Math.multiplyExact(width, factor));
        }

        @Override
        public String toString() {
            return height + "x" + width;
        }
    }

    private record Template(double heightToWidth, ScaleSchedule schedule) {}

    /// Copies the list and checks that it is not empty.
    public ScaleSchedule {
        scales = List.copyOf(scales);
        if (scales.isEmpty()) {
            throw new IllegalArgumentException("scale schedule: there are no scales");
        }
    }

    /// The ratios of height to width that there are tables for, in their order: 1, 1.25, 0.8, ...
    public static List<Double> ratios() {
        return TEMPLATES.stream().map(Template::heightToWidth).toList();
    }

    /// The ratio nearest to that of a picture, the first of them if two are equally near.
    ///
    /// @param heightToWidth height divided by width
    /// @throws IllegalArgumentException unless this is a positive number
    public static double nearestRatio(double heightToWidth) {
        return nearest(heightToWidth).heightToWidth;
    }

    /// The scales of a picture.
    ///
    /// @param heightToWidth height divided by width; the nearest of [#ratios] is taken
    /// @throws IllegalArgumentException unless this is a positive number
    public static ScaleSchedule of(double heightToWidth, PictureSize size) {
        return nearest(heightToWidth).schedule.first(size.scales());
    }

    /// The scales of a square picture.
    public static ScaleSchedule square(PictureSize size) {
        return of(SQUARE, size);
    }

    /// The scales whose last one is a given size: what a quantiser uses for a latent of this size if nobody tells it
    /// otherwise. There is one for each ratio and each selectable size, that is with 7, 10 and 13 scales.
    ///
    /// @throws IllegalArgumentException if there is none
    public static ScaleSchedule endingAt(int height, int width) {
        Scale last = new Scale(height, width);
        for (PictureSize size : List.of(PictureSize.P_0_06M, PictureSize.P_0_25M, PictureSize.P_1M)) {
            for (Template template : TEMPLATES) {
                ScaleSchedule schedule = template.schedule.first(size.scales());
                if (schedule.last().equals(last)) {
                    return schedule;
                }
            }
        }
        throw new IllegalArgumentException("scale schedule: there is none for latents of " + last
                + " positions; give the scales, or bring the picture to a size that has one");
    }

    /// The scales that the quantiser's first version used for square latents of 16, 32 or 64 positions a side.
    ///
    /// @throws IllegalArgumentException for other sizes
    public static ScaleSchedule firstVersion(int side) {
        return FIRST_VERSION.stream()
                .filter(s -> s.last().equals(new Scale(side, side)))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("scale schedule: the first version had none for latents"
                        + " of " + side + "x" + side + " positions, only for 16x16, 32x32 and 64x64"));
    }

    /// Number of scales.
    public int size() {
        return scales.size();
    }

    /// One scale.
    public Scale get(int index) {
        return scales.get(index);
    }

    /// The last scale: the size of the latent.
    public Scale last() {
        return scales.getLast();
    }

    /// The first scales only.
    ///
    /// @throws IllegalArgumentException if there are fewer
    public ScaleSchedule first(int count) {
        if (count < 1 || count > scales.size()) {
            throw new IllegalArgumentException(
                    "scale schedule: cannot take " + count + " of " + scales.size() + " scales");
        }
        return new ScaleSchedule(scales.subList(0, count));
    }

    /// What the autoencoder sees of the transformer's schedule if every token stands for 2 x 2 positions.
    public ScaleSchedule doubled() {
        return new ScaleSchedule(scales.stream().map(s -> s.times(2)).toList());
    }

    /// Rows of pixels of the picture, if this is the transformer's schedule.
    public int pixelHeight() {
        return last().height() * PIXELS;
    }

    /// Columns of pixels of the picture, if this is the transformer's schedule.
    public int pixelWidth() {
        return last().width() * PIXELS;
    }

    /// Number of positions of all scales together.
    public int length() {
        return start(scales.size());
    }

    /// Number of positions of all scales before one.
    ///
    /// @param index up to [#size], which gives the number of all
    public int start(int index) {
        return scales.subList(0, index).stream().mapToInt(Scale::area).sum();
    }

    @Override
    public String toString() {
        return scales.stream().map(Scale::toString).collect(Collectors.joining(" "));
    }

    private static Template nearest(double heightToWidth) {
        if (!(heightToWidth > 0) || Double.isInfinite(heightToWidth)) {
            throw new IllegalArgumentException("scale schedule: " + heightToWidth
                    + " is no ratio of height to width, it must be a positive number");
        }
        Template best = TEMPLATES.getFirst();
        for (Template t : TEMPLATES) {
            if (Math.abs(t.heightToWidth - heightToWidth) < Math.abs(best.heightToWidth - heightToWidth)) {
                best = t;
            }
        }
        return best;
    }

    private static List<Template> templatesOf(String table) {
        List<Template> templates = new ArrayList<>();
        for (String line : table.lines().toList()) {
            String[] columns = line.split(" +", 2);
            double ratio = Double.parseDouble(columns[0]);
            ScaleSchedule schedule = parse(columns[1]);
            templates.add(new Template(ratio, schedule));
            if (ratio != SQUARE) {
                // The original's names for the reciprocals are cut after three decimals, and are what is compared with.
                double reciprocal = Math.floor(1000 / ratio) / 1000;
                List<Scale> lying = schedule.scales.stream()
                        .map(s -> new Scale(/* height= */ s.width, /* width= */ s.height))
                        .toList();
                templates.add(new Template(reciprocal, new ScaleSchedule(lying)));
            }
        }
        return Collections.unmodifiableList(templates);
    }

    private static ScaleSchedule parse(String scales) {
        return new ScaleSchedule(Arrays.stream(scales.split(" "))
                .map(s -> {
                    int x = s.indexOf('x');
                    return new Scale(Integer.parseInt(s.substring(0, x)), Integer.parseInt(s.substring(x + 1)));
                })
                .toList());
    }
}
