package dev.palimpsest.models.diffusion;

import java.util.Arrays;

/// The times at which a sampler asks the denoiser, in the order in which it does.
///
/// Values are f32, as a denoiser receives them.
public final class Timesteps {
    private final double end;
    private final float[] values;

    private Timesteps(double end, float[] values) {
        this.end = end;
        this.values = values;
    }

    /// Evenly spaced times that begin at the end T, `u_i = 1 - i/steps` for i from 0 to steps - 1 ("trailing", Lin et
    /// al. 2023, arXiv 2305.08891), moved toward the noise by `u' = shift u / (1 + (shift - 1) u)` (Esser et al. 2024,
    /// arXiv 2403.03206, equation 23), times T.
    ///
    /// There are exactly `steps` of them.
    ///
    /// @param steps how many, at least 1
    /// @param shift above 0; 1 leaves the times evenly spaced
    /// @param end the time T of the schedule
    public static Timesteps uniformTrailing(int steps, double shift, double end) {
        float[] values = new float[steps(steps, shift)];
        for (int i = 0; i < steps; i++) {
            values[i] = (float) (shifted(i, steps, shift) * end);
        }
        return new Timesteps(end, values);
    }

    /// The same for a schedule of T discrete steps numbered from 0 to T: `round(u' (T + 1) - 1)`.
    ///
    /// @param steps how many, at least 1
    /// @param shift above 0; 1 leaves the times evenly spaced
    /// @param end the number of the last step of the schedule
    public static Timesteps uniformTrailingDiscrete(int steps, double shift, int end) {
        float[] values = new float[steps(steps, shift)];
        for (int i = 0; i < steps; i++) {
            // in f32 and with ties to even, as the original rounds
            values[i] = (float) Math.rint((float) shifted(i, steps, shift) * (end + 1f) - 1f);
        }
        return new Timesteps(end, values);
    }

    /// Given times.
    ///
    /// @param end the time T of the schedule
    public static Timesteps of(double end, float... values) {
        if (values.length == 0) {
            throw new IllegalArgumentException("timesteps: at least one is needed");
        }
        return new Timesteps(end, values.clone());
    }

    private static int steps(int steps, double shift) {
        if (steps < 1) {
            throw new IllegalArgumentException("timesteps: " + steps + " steps were asked for, at least 1 is needed");
        }
        if (!(shift > 0) || Double.isInfinite(shift)) {
            throw new IllegalArgumentException("timesteps: the shift " + shift + " is not a number above 0");
        }
        return steps;
    }

    private static double shifted(int i, int steps, double shift) {
        double u = 1 - (double) i / steps;
        return shift * u / (1 + (shift - 1) * u);
    }

    /// How many there are.
    public int size() {
        return values.length;
    }

    /// The i-th one.
    public float get(int i) {
        return values[i];
    }

    /// A copy of all of them.
    public float[] toArray() {
        return values.clone();
    }

    /// Where a step from time `t` leads: the time behind `t` in the list; behind the last one a time beyond the path,
    /// -1 (past the clean sample) or T + 1 (past the noise) if the list ascends.
    ///
    /// @throws IllegalArgumentException if `t` is not in the list
    public double after(double t) {
        for (int i = 0; i < values.length; i++) {
            if (values[i] == (float) t) {
                return i + 1 < values.length ? values[i + 1] : beyond();
            }
        }
        throw new IllegalArgumentException("timesteps: " + t + " is not one of " + this);
    }

    private double beyond() {
        boolean ascending = values.length > 1 && values[1] > values[0];
        return ascending ? end + 1 : -1;
    }

    @Override
    public String toString() {
        return Arrays.toString(values);
    }
}
