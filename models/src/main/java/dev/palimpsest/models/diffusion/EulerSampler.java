package dev.palimpsest.models.diffusion;

import dev.palimpsest.models.api.Cancellation;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;

/// Integrates the path from noise to sample with Euler's method: at every time the denoiser's prediction says where
/// both ends of the path lie, and the state moves along the straight line between them to the next time (DDIM; Song et
/// al. 2020, arXiv 2010.02502, equation 12 with eta = 0; for rectified flow Euler's method, Liu et al. 2022, arXiv
/// 2209.03003).
///
/// @param schedule how samples turn into noise
/// @param timesteps when the denoiser is asked
/// @param prediction what the denoiser predicts
/// @param toEndpoint whether the result is the clean sample predicted at the last time (as many predictions as times)
///     or the state at the last time (one prediction less)
public record EulerSampler(Schedule schedule, Timesteps timesteps, Prediction prediction, boolean toEndpoint) {
    /// A sampler that goes on to the clean sample.
    public EulerSampler(Schedule schedule, Timesteps timesteps, Prediction prediction) {
        this(schedule, timesteps, prediction, true);
    }

    /// What happened in one step. The tensors live until the listener returns.
    ///
    /// @param index number of the step, from 0
    /// @param count how many steps there are
    /// @param time the time t at which the denoiser was asked
    /// @param state the state `x_t` it was given
    /// @param prediction what it predicted
    /// @param next the state after the step; after the last step the result
    public record Step(int index, int count, double time, Tensor state, Tensor prediction, Tensor next) {}

    /// Watches a sampler.
    @FunctionalInterface
    public interface Listener {
        /// Ignores everything.
        Listener NONE = step -> {};

        /// A step was done.
        void done(Step step);
    }

    /// Number of predictions that [#sample] needs.
    public int steps() {
        return toEndpoint ? timesteps.size() : timesteps.size() - 1;
    }

    /// Goes the whole way.
    ///
    /// @param x the state at the first time, usually noise
    /// @param cancellation looked at before every prediction
    /// @return as large as `x`
    /// @throws java.util.concurrent.CancellationException if the cancellation was used
    public Tensor sample(Tensor x, Denoiser denoiser, Listener listener, Cancellation cancellation) {
        Tensor state = x.copy(); // like x; every step overwrites it, so that no step leaves memory behind
        int steps = steps();
        for (int i = 0; i < steps; i++) {
            int step = i;
            cancellation.check();
            Scope.run(() -> {
                double t = timesteps.get(step);
                double to = step + 1 < timesteps.size() ? timesteps.get(step + 1) : -1;
                Tensor p = denoiser.predict(state, t, step); // like x
                Tensor next = move(p, state, Tensor.scalar(t), Tensor.scalar(to)); // like x
                listener.done(new Step(step, steps, t, state, p, next));
                return state.copyInPlace(next);
            });
        }
        return state;
    }

    /// Goes the whole way, unwatched.
    ///
    /// @param x the state at the first time, usually noise
    public Tensor sample(Tensor x, Denoiser denoiser) {
        return sample(x, denoiser, Listener.NONE, new Cancellation());
    }

    /// One step of samples that stand at different times, each to the time behind its own; see [Timesteps#after].
    ///
    /// @param p the prediction for `x`
    /// @param x the states, `(n, ...)`
    /// @param t the times, `(n)`, each one of the list
    /// @return the states after the step, as large as `x`
    public Tensor step(Tensor p, Tensor x, Tensor t) {
        return Scope.run(() -> move(p, x, t, after(t)));
    }

    /// The times behind these.
    ///
    /// @param t `(n)`
    /// @return `(n)`
    public Tensor after(Tensor t) {
        float[] times = t.toFloatArray();
        for (int i = 0; i < times.length; i++) {
            times[i] = (float) timesteps.after(times[i]);
        }
        return Tensor.of(times, t.shape().dims());
    }

    /// The clean samples that a prediction implies.
    ///
    /// @param p the prediction for `x`
    /// @param x the states, `(n, ...)`
    /// @param t the times, `(n)` or one for all
    public Tensor endpoint(Tensor p, Tensor x, Tensor t) {
        return Scope.run(() -> schedule.endpoints(prediction, p, x, t).x0());
    }

    /// `A(s) x_0 + B(s) x_T` with both ends as predicted; times before 0 mean `x_0` itself and times past the end
    /// `x_T`.
    private Tensor move(Tensor p, Tensor x, Tensor t, Tensor to) {
        Endpoints ends = schedule.endpoints(prediction, p, x, t);
        float[] s = to.toFloatArray();
        if (s.length == 1) {
            return s[0] < 0 ? ends.x0() : s[0] > schedule.end() ? ends.xT() : schedule.noisy(ends.x0(), ends.xT(), to);
        }
        Tensor next = Tensor.empty(x.dtype(), x.shape()); // like x
        for (int i = 0; i < s.length; i++) {
            int row = i;
            Scope.run(() -> {
                Tensor x0 = ends.x0().slice(0, row, row + 1); // (1, ...)
                Tensor xT = ends.xT().slice(0, row, row + 1); // (1, ...)
                Tensor moved =
                        s[row] < 0 ? x0 : s[row] > schedule.end() ? xT : schedule.noisy(x0, xT, to.select(0, row));
                return next.slice(0, row, row + 1).copyInPlace(moved);
            });
        }
        return next;
    }
}
