package dev.palimpsest.kernels.vector;

import static jdk.incubator.vector.VectorOperators.ASHR;
import static jdk.incubator.vector.VectorOperators.EQ;
import static jdk.incubator.vector.VectorOperators.GE;
import static jdk.incubator.vector.VectorOperators.GT;
import static jdk.incubator.vector.VectorOperators.I2F;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LSHR;
import static jdk.incubator.vector.VectorOperators.LT;
import static jdk.incubator.vector.VectorOperators.MIN;
import static jdk.incubator.vector.VectorOperators.NE;
import static jdk.incubator.vector.VectorOperators.XOR;

import dev.palimpsest.kernels.Activation;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;

/// Elementary functions on vectors, written with the Vector API's basic operations so that the just-in-time compiler
/// can inline them into the loops that call them.
///
/// The arguments are reduced as Cody & Waite describe (Software Manual for the Elementary Functions, 1980); the
/// polynomials are minimax fits of the relative error (Remez exchange) over the reduced intervals. All functions are
/// correct for infinities, zeros and denormal numbers; a NaN gives a NaN. Largest errors found by `VectorMathTest`
/// against [StrictMath]: [#exp] and [#log] 1 ulp, [#sigmoid], [#silu] and [#geluTanh] 2 ulp, [#tanh] 3 ulp, [#gelu] 7
/// ulp, [#sin] and [#cos] 7e-8 absolute.
///
/// All of them are straight code, to be copied into loops (see [Specialized]). Outside of templates a loop should call
/// only one of them, once: the compiler stops inlining when a method's graph has 18,000 nodes, and an operation of the
/// Vector API costs about 400 on its way.
final class VectorMath {
    /// Largest magnitude for which [#sin] and [#cos] are meant.
    static final float TRIGONOMETRIC_LIMIT = 1e5f;

    private static final float ROUNDER = Simd.ROUNDER;

    /// Rounds and adds the bias of the exponent once or twice: shifted up, the low bits are a power of two.
    private static final float ROUNDER_BIASED = ROUNDER + 127;

    private static final float ROUNDER_BIASED_TWICE = ROUNDER + 254;

    private static final int SIGN = 0x8000_0000;
    private static final float LOG2_E = (float) 1.4426950408889634;

    private static final float LN2 = (float) 0.6931471805599453;

    /// The upper bits of ln 2, few enough that its multiples by exponents are exact, and the rest.
    private static final float LN2_HIGH = 0x1.62ep-1f;

    private static final float LN2_LOW = (float) (0.6931471805599453 - LN2_HIGH);

    /// `e^r = 1 + r + r^2 p(r)` on [-ln2/2, ln2/2].
    private static final float EXP_0 = 0.49999994f;

    private static final float EXP_1 = 0.16666521f;
    private static final float EXP_2 = 0.04166839f;
    private static final float EXP_3 = 0.008368745f;
    private static final float EXP_4 = 0.0013814539f;

    /// The bits of the square root of 1/2.
    private static final int ROOT_OF_HALF = 0x3f35_04f3;

    /// The bits of the float whose square, halved, is 127 ln 2.
    private static final int GELU_END = 0x4154_4cbf;

    /// Pi/2 in three parts of 24 bits.
    private static final float HALF_PI_1 = 0x1.921fb6p0f;

    private static final float HALF_PI_2 = -0x1.777a5cp-25f;
    private static final float HALF_PI_3 = -0x1.ee59dap-50f;

    private VectorMath() {}

    /// `e^x`. Overflows to infinity and underflows gradually to zero.
    @Inline
    static FloatVector exp(FloatVector x) {
        FloatVector rounder = x.broadcast(ROUNDER_BIASED_TWICE);
        FloatVector shifted = x.fma(x.broadcast(LOG2_E), rounder);
        FloatVector n = shifted.sub(rounder);
        FloatVector r = n.fma(x.broadcast(-LN2_LOW), n.fma(x.broadcast(-LN2_HIGH), x));
        FloatVector p = r.fma(r.broadcast(EXP_4), r.broadcast(EXP_3));
        p = p.fma(r, r.broadcast(EXP_2)).fma(r, r.broadcast(EXP_1)).fma(r, r.broadcast(EXP_0));
        FloatVector y = p.fma(r.mul(r), r).add(r.broadcast(1f));
        // 2^n in two factors: n reaches from -150 (denormal results) to 128, more than one exponent can hold. The low
        // bits hold n and both biases; all other bits are shifted out
        IntVector both = shifted.reinterpretAsInts();
        IntVector half = both.lanewise(LSHR, 1);
        y = y.mul(half.lanewise(LSHL, 23).reinterpretAsFloats());
        y = y.mul(both.sub(half).lanewise(LSHL, 23).reinterpretAsFloats());
        y = y.blend(Float.POSITIVE_INFINITY, x.compare(GT, 89f));
        return y.blend(0f, x.compare(LT, -104f));
    }

    /// `e^x` for x up to 0, in fewer instructions than [#exp] and within 4 ulp: the argument is reduced in one part.
    /// What is less than about the smallest normal number becomes 0.
    @Inline
    static FloatVector expOfNegative(FloatVector x) {
        // at -88.03 the exponent's bits are 0, and so is the power of two
        FloatVector t = x.blend(-88.03f, x.compare(LT, -88.03f));
        FloatVector rounder = t.broadcast(ROUNDER_BIASED);
        FloatVector shifted = t.fma(t.broadcast(LOG2_E), rounder);
        FloatVector r = shifted.sub(rounder).fma(t.broadcast(-LN2), t);
        FloatVector p = r.fma(r.broadcast(EXP_4), r.broadcast(EXP_3));
        p = p.fma(r, r.broadcast(EXP_2)).fma(r, r.broadcast(EXP_1)).fma(r, r.broadcast(EXP_0));
        FloatVector y = p.fma(r.mul(r), r).add(r.broadcast(1f));
        return y.mul(shifted.reinterpretAsInts().lanewise(LSHL, 23).reinterpretAsFloats());
    }

    /// Natural logarithm: NaN below zero, negative infinity at both zeros.
    @Inline
    static FloatVector log(FloatVector x) {
        VectorMask<Float> denormal = x.compare(LT, Float.MIN_NORMAL);
        IntVector bits = x.blend(x.mul(0x1p23f), denormal).reinterpretAsInts();
        // x = 2^k m with m in [sqrt(1/2), sqrt(2))
        IntVector k = bits.sub(ROOT_OF_HALF).lanewise(ASHR, 23);
        FloatVector f = bits.sub(k.lanewise(LSHL, 23)).reinterpretAsFloats().sub(1f);
        FloatVector e = (FloatVector) k.convert(I2F, 0);
        e = e.blend(e.sub(23f), denormal);
        // ln(1 + f) = f - f^2/2 + f^3 p(f) on [sqrt(1/2) - 1, sqrt(2) - 1]
        FloatVector p = f.fma(f.broadcast(-0.076345f), f.broadcast(0.12761578f));
        p = p.fma(f, f.broadcast(-0.13160181f)).fma(f, f.broadcast(0.14201757f));
        p = p.fma(f, f.broadcast(-0.16623357f)).fma(f, f.broadcast(0.20001227f));
        p = p.fma(f, f.broadcast(-0.2500082f)).fma(f, f.broadcast(0.3333333f));
        FloatVector square = f.mul(f);
        FloatVector y = e.fma(f.broadcast(LN2_LOW), p.mul(square.mul(f)));
        y = e.fma(f.broadcast(LN2_HIGH), square.fma(f.broadcast(-0.5f), y).add(f));
        y = y.blend(Float.POSITIVE_INFINITY, x.compare(EQ, Float.POSITIVE_INFINITY));
        y = y.blend(Float.NaN, x.compare(GE, 0f).not());
        return y.blend(Float.NEGATIVE_INFINITY, x.compare(EQ, 0f));
    }

    /// Hyperbolic tangent, relatively accurate around zero as well.
    ///
    /// With `m = e^2|x| - 1` it is `m / (m + 2)`; m comes as `2^n (e^r - 1) + (2^n - 1)`, which loses nothing however
    /// small it is.
    @Inline
    static FloatVector tanh(FloatVector x) {
        FloatVector a = x.abs();
        // from 10 on the result rounds to 1
        a = a.blend(10f, a.compare(GT, 10f));
        FloatVector rounder = x.broadcast(ROUNDER_BIASED);
        FloatVector shifted = a.fma(a.broadcast(2 * LOG2_E), rounder);
        FloatVector n = shifted.sub(rounder);
        FloatVector r = n.fma(a.broadcast(-LN2_LOW), n.fma(a.broadcast(-LN2_HIGH), a.add(a)));
        FloatVector p = r.fma(r.broadcast(EXP_4), r.broadcast(EXP_3));
        p = p.fma(r, r.broadcast(EXP_2)).fma(r, r.broadcast(EXP_1)).fma(r, r.broadcast(EXP_0));
        FloatVector power = shifted.reinterpretAsInts().lanewise(LSHL, 23).reinterpretAsFloats();
        FloatVector m = p.fma(r.mul(r), r).fma(power, power.sub(a.broadcast(1f)));
        FloatVector y = m.div(m.add(m.broadcast(2f)));
        IntVector sign = x.reinterpretAsInts().and(SIGN);
        return y.reinterpretAsInts().or(sign).reinterpretAsFloats();
    }

    /// Logistic function, `1 / (1 + e^-x)`.
    @Inline
    static FloatVector sigmoid(FloatVector x) {
        FloatVector one = x.broadcast(1f);
        return one.div(exp(x.neg()).add(one));
    }

    /// `x / (1 + e^-x)`.
    @Inline
    static FloatVector silu(FloatVector x) {
        return x.div(exp(x.neg()).add(x.broadcast(1f)));
    }

    /// The tanh form of GELU; `(1 + tanh u) / 2` is the logistic function of `2u`.
    @Inline
    static FloatVector geluTanh(FloatVector x) {
        FloatVector one = x.broadcast(1f);
        FloatVector cubic = x.mul(x).fma(x.broadcast(0.044715f), one);
        FloatVector minusTwice = x.mul(x.broadcast((float) -1.5957691216057308)).mul(cubic);
        return x.div(exp(minusTwice).add(one));
    }

    /// GELU, `x Phi(x)` with the normal distribution function Phi, relatively accurate in both tails.
    @Inline
    static FloatVector gelu(FloatVector x) {
        // from 13.25 on the tail is less than the smallest normal number, and its power of two below becomes 0; the NaN
        // that the comparison of bits loses comes back with the factor x
        FloatVector a = x.reinterpretAsInts().and(~SIGN).lanewise(MIN, GELU_END).reinterpretAsFloats();
        FloatVector one = a.broadcast(1f);
        // Phi(-a) = e^(-a^2/2) p(a) / q(a)
        FloatVector p = a.fma(a.broadcast(0.00403698f), a.broadcast(0.040097937f));
        p = p.fma(a, a.broadcast(0.18164547f)).fma(a, a.broadcast(0.43614578f)).fma(a, a.broadcast(0.5f));
        FloatVector q = a.fma(a.broadcast(0.010119068f), a.broadcast(0.10051783f));
        q = q.fma(a, a.broadcast(0.46527427f)).fma(a, a.broadcast(1.1958947f));
        q = q.fma(a, a.broadcast(1.6701765f)).fma(a, one);
        // the square is rounded only after most of it has been taken away
        FloatVector half = a.mul(-0.5f);
        FloatVector rounder = a.broadcast(ROUNDER_BIASED);
        FloatVector shifted = half.mul(a).fma(a.broadcast(LOG2_E), rounder);
        FloatVector n = shifted.sub(rounder);
        FloatVector r = n.fma(a.broadcast(-LN2_LOW), half.fma(a, n.mul(-LN2_HIGH)));
        FloatVector e = r.fma(r.broadcast(EXP_4), r.broadcast(EXP_3));
        e = e.fma(r, r.broadcast(EXP_2)).fma(r, r.broadcast(EXP_1)).fma(r, r.broadcast(EXP_0));
        e = e.fma(r.mul(r), r).add(one);
        FloatVector power = shifted.reinterpretAsInts().lanewise(LSHL, 23).reinterpretAsFloats();
        FloatVector tail = e.mul(p.mul(power).div(q));
        return x.mul(one.sub(tail).blend(tail, x.compare(LT, 0f)));
    }

    /// Sine of radians, for magnitudes up to [#TRIGONOMETRIC_LIMIT]; larger arguments lose accuracy, infinities give
    /// NaN.
    @Inline
    static FloatVector sin(FloatVector x) {
        // an odd function: working on the magnitude keeps the sign of zero
        IntVector sign = x.reinterpretAsInts().and(SIGN);
        return sine(x.abs(), 0).lanewise(XOR, sign).reinterpretAsFloats();
    }

    /// Cosine of radians, with the limit of [#sin].
    @Inline
    static FloatVector cos(FloatVector x) {
        return sine(x.abs(), 1).reinterpretAsFloats();
    }

    /// The bits of the sine of `a` and so many quadrants.
    @Inline
    private static IntVector sine(FloatVector a, int quadrants) {
        FloatVector rounder = a.broadcast(ROUNDER);
        FloatVector shifted = a.fma(a.broadcast(0.63661975f), rounder);
        FloatVector n = shifted.sub(rounder);
        FloatVector r = n.fma(a.broadcast(-HALF_PI_2), n.fma(a.broadcast(-HALF_PI_1), a));
        r = n.fma(a.broadcast(-HALF_PI_3), r);
        // sin r = r + r z p(z) and cos r = 1 - z/2 + z^2 p(z) on [-pi/4, pi/4]
        FloatVector z = r.mul(r);
        FloatVector one = z.broadcast(1f);
        FloatVector s = z.fma(z.broadcast(-0.0001951398f), z.broadcast(0.008332151f));
        s = s.fma(z, z.broadcast(-0.16666654f)).fma(z, one).mul(r);
        FloatVector c = z.fma(z.broadcast(2.4431669e-05f), z.broadcast(-0.0013887304f));
        c = c.fma(z, z.broadcast(0.041666646f)).fma(z, z.broadcast(-0.5f)).fma(z, one);
        IntVector quadrant = shifted.reinterpretAsInts().add(quadrants);
        IntVector y = s.reinterpretAsInts()
                .blend(c.reinterpretAsInts(), quadrant.and(1).compare(NE, 0));
        return y.lanewise(XOR, quadrant.lanewise(LSHL, 30).and(SIGN));
    }

    /// Largest integer not above x; keeps the sign of zero.
    @Inline
    static FloatVector floor(FloatVector x) {
        FloatVector r = round(x);
        return r.blend(r.sub(1f), r.compare(GT, x));
    }

    /// Nearest integer, ties to even; keeps the sign of zero.
    @Inline
    static FloatVector round(FloatVector x) {
        IntVector sign = x.reinterpretAsInts().and(SIGN);
        FloatVector a = x.abs();
        FloatVector integral = x.broadcast(0x1p23f);
        FloatVector r = a.add(integral).sub(integral);
        r = r.reinterpretAsInts().or(sign).reinterpretAsFloats();
        // from 2^23 on every float is an integer; a NaN fails the comparison and stays
        return x.blend(r, a.compare(LT, integral));
    }

    /// What a normalisation or product applies before writing.
    @Inline
    static FloatVector activate(Activation activation, FloatVector x) {
        if (activation == Activation.SILU) {
            return silu(x);
        }
        if (activation == Activation.GELU_TANH) {
            return geluTanh(x);
        }
        return x;
    }
}
