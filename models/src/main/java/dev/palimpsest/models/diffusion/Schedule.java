package dev.palimpsest.models.diffusion;

import dev.palimpsest.tensor.Tensor;
import java.util.Arrays;

/// How a clean sample turns into noise over time: `x_t = A(t) x_0 + B(t) x_T` with t from 0 (clean) to [#end] (noise).
///
/// Times come as tensors: a single number `()` or `(1)` for all samples, or one number for each entry of the first
/// axis.
public sealed interface Schedule {
    /// The time T at which nothing but noise is left.
    double end();

    /// The share of the clean sample at these times, in the shape of `t`.
    Tensor a(Tensor t);

    /// The share of the noise at these times, in the shape of `t`.
    Tensor b(Tensor t);

    /// The time with this signal-to-noise ratio; inverts [#snr].
    Tensor inverseSnr(Tensor snr);

    /// The signal-to-noise ratio `A(t)^2 / B(t)^2`; infinite at time 0.
    default Tensor snr(Tensor t) {
        return a(t).square().div(b(t).square());
    }

    /// The noisy sample `x_t = A(t) x_0 + B(t) x_T`.
    default Tensor noisy(Tensor x0, Tensor xT, Tensor t) {
        return per(a(t), x0).mul(x0).add(per(b(t), x0).mul(xT));
    }

    /// What a perfect denoiser would predict.
    ///
    /// | predicts | value |
    /// |---|---|
    /// | x_0 | `x_0` |
    /// | x_T | `x_T` |
    /// | v_cos | `A x_T - B x_0` |
    /// | v_lerp | `x_T - x_0` |
    default Tensor target(Prediction type, Tensor x0, Tensor xT, Tensor t) {
        return switch (type) {
            case X_0 -> x0;
            case X_T -> xT;
            case V_COS -> per(a(t), x0).mul(xT).sub(per(b(t), x0).mul(x0));
            case V_LERP -> xT.sub(x0);
        };
    }

    /// Both ends of the path that a prediction `p` at the noisy sample `x_t` implies; inverts [#target].
    ///
    /// | predicts | x_0 | x_T |
    /// |---|---|---|
    /// | x_0 | `p` | `(x_t - A p) / B` |
    /// | x_T | `(x_t - B p) / A` | `p` |
    /// | v_cos | `A x_t - B p` | `A p + B x_t` |
    /// | v_lerp | `(x_t - B p) / (A + B)` | `(x_t + A p) / (A + B)` |
    default Endpoints endpoints(Prediction type, Tensor p, Tensor xt, Tensor t) {
        Tensor a = per(a(t), xt);
        Tensor b = per(b(t), xt);
        return switch (type) {
            case X_0 -> new Endpoints(p, xt.sub(a.mul(p)).div(b));
            case X_T -> new Endpoints(xt.sub(b.mul(p)).div(a), p);
            case V_COS -> new Endpoints(a.mul(xt).sub(b.mul(p)), a.mul(p).add(b.mul(xt)));
            case V_LERP -> {
                Tensor sum = a.add(b);
                yield new Endpoints(xt.sub(b.mul(p)).div(sum), xt.add(a.mul(p)).div(sum));
            }
        };
    }

    /// A number for each entry of the first axis of `x`, or one for all, shaped so that it stretches to `x`.
    private static Tensor per(Tensor values, Tensor x) {
        if (values.elements() == 1) {
            return values.reshape();
        }
        if (values.rank() != 1 || x.rank() == 0 || values.dim(0) != x.dim(0)) {
            throw new IllegalArgumentException("schedule: times " + values.shape()
                    + " are neither one for all nor one for each entry of the first axis of " + x.shape());
        }
        int[] dims = new int[x.rank()];
        Arrays.fill(dims, 1);
        dims[0] = values.dim(0);
        return values.reshape(dims);
    }

    /// The straight line of rectified flow, `A(t) = 1 - t/T`, `B(t) = t/T` (Liu et al. 2022, arXiv 2209.03003).
    ///
    /// @param end the time T, above 0
    record Lerp(double end) implements Schedule {
        /// A line that takes this much time.
        public Lerp {
            if (!(end > 0) || Double.isInfinite(end)) {
                throw new IllegalArgumentException("schedule: the end " + end + " is not a time above 0");
            }
        }

        @Override
        public Tensor a(Tensor t) {
            return t.div(end).neg().add(1);
        }

        @Override
        public Tensor b(Tensor t) {
            return t.div(end);
        }

        /// `T / (1 + sqrt(snr))`, since `snr = ((1 - t/T) / (t/T))^2`.
        @Override
        public Tensor inverseSnr(Tensor snr) {
            return Tensor.scalar(end).div(snr.sqrt().add(1));
        }
    }
}
