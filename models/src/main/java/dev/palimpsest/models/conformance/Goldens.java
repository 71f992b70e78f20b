package dev.palimpsest.models.conformance;

import dev.palimpsest.models.infinity.BsqVaeGoldens;
import dev.palimpsest.models.vincie.VaeGoldens;
import java.util.List;

/// All evaluators of golden files that there are.
public final class Goldens {
    private Goldens() {}

    /// A runner for every kind of golden file that can be checked.
    public static GoldenRunner runner() {
        return new GoldenRunner(List.of(
                new BsqVaeGoldens(),
                new DiffusionGoldens(),
                new EditInfinityGoldens(),
                new EditSessionGoldens(),
                new GradientGoldens(),
                new ImageGoldens(),
                new InfinityGoldens(),
                new InterpolationGoldens(),
                new LayerGoldens(),
                new NaDitGoldens(),
                new PictureGoldens(),
                new RandomGoldens(),
                new SessionGoldens(),
                new T5Goldens(),
                new TextGoldens(),
                new VaeGoldens()));
    }
}
