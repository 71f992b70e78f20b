package dev.palimpsest.kernels.vector;

import static jdk.incubator.vector.VectorOperators.ASHR;
import static jdk.incubator.vector.VectorOperators.EQ;
import static jdk.incubator.vector.VectorOperators.GE;
import static jdk.incubator.vector.VectorOperators.GT;
import static jdk.incubator.vector.VectorOperators.I2F;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LT;
import static jdk.incubator.vector.VectorOperators.NE;
import static jdk.incubator.vector.VectorOperators.XOR;

import dev.palimpsest.kernels.Activation;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;

/// Elementary functions on vectors of any width, written with the Vector API's basic operations so that the
/// just-in-time
/// compiler can inline them into the loops that call them.
///
/// The arguments are reduced as Cody & Waite describe (Software Manual for the Elementary Functions, 1980); the
/// polynomials
/// are minimax fits of the relative error (Remez exchange) over the reduced intervals. All functions are correct for
/// infinities, zeros and denormal numbers; a NaN gives a NaN. Largest errors found by `VectorMathTest` against
/// [StrictMath]:
/// [#exp], [#log] and [#tanh] 1 ulp, [#sigmoid], [#silu] and [#geluTanh] 2 ulp, [#gelu] 7 ulp,
/// [#sin] and [#cos] 7e-8 absolute.
final class VectorMath {
    /// Adding 1.5 * 2^23 pushes the fraction out of a float: what remains is the nearest integer, and its low bits are
    /// the low bits of the representation.
    private static final float ROUNDER = 0x1.8p23f;

    private static final int SIGN = 0x8000_0000;
    private static final float LOG2_E = (float) 1.4426950408889634;
    /// ln 2 in two parts; the first one has few enough bits that its multiples by exponents are exact.
    private static final float LN2_HI = 0x1.62ep-1f;

    private static final float LN2_LO = (float) (0.6931471805599453 - 0x1.62ep-1);
    /// Half pi in three parts of 24 bits.
    private static final float HALF_PI_1 = 0x1.921fb6p0f;

    private static final float HALF_PI_2 = -0x1.777a5cp-25f;
    private static final float HALF_PI_3 = -0x1.ee59dap-50f;

    /// Largest magnitude for which [#sin] and [#cos] are meant.
    static final float TRIGONOMETRIC_LIMIT = 1e5f;

    private VectorMath() {}

    /// `e^x`. Overflows to infinity and underflows gradually to zero.
    static FloatVector exp(FloatVector x) {
        FloatVector shifted = x.fma(x.broadcast(LOG2_E), x.broadcast(ROUNDER));
        FloatVector n = shifted.sub(ROUNDER);
        FloatVector r = n.fma(x.broadcast(-LN2_HI), x);
        r = n.fma(x.broadcast(-LN2_LO), r);
        // e^r = 1 + r + r^2 p(r) on [-ln2/2, ln2/2]
        FloatVector p = r.fma(r.broadcast(0.0013814539f), r.broadcast(0.008368745f));
        p = p.fma(r, r.broadcast(0.04166839f));
        p = p.fma(r, r.broadcast(0.16666521f));
        p = p.fma(r, r.broadcast(0.49999994f));
        FloatVector y = p.fma(r.mul(r), r).add(1f);
        // 2^n in two factors: n reaches from -150 (denormal results) to 128, more than one exponent can hold
        IntVector e = shifted.reinterpretAsInts().sub(Float.floatToRawIntBits(ROUNDER));
        IntVector half = e.lanewise(ASHR, 1);
        y = y.mul(powerOfTwo(half)).mul(powerOfTwo(e.sub(half)));
        y = y.blend(Float.POSITIVE_INFINITY, x.compare(GT, 89f));
        return y.blend(0f, x.compare(LT, -104f));
    }

    private static FloatVector powerOfTwo(IntVector e) {
        return e.add(127).lanewise(LSHL, 23).reinterpretAsFloats();
    }

    /// Natural logarithm: NaN below zero, negative infinity at both zeros.
    static FloatVector log(FloatVector x) {
        VectorMask<Float> tiny = x.compare(LT, Float.MIN_NORMAL);
        IntVector bits = x.blend(x.mul(0x1p23f), tiny).reinterpretAsInts();
        // x = 2^k m with m in [sqrt(1/2), sqrt(2))
        IntVector k = bits.sub(Float.floatToRawIntBits(0.70710677f)).lanewise(ASHR, 23);
        FloatVector f = bits.sub(k.lanewise(LSHL, 23)).reinterpretAsFloats().sub(1f);
        FloatVector e = (FloatVector) k.convert(I2F, 0);
        e = e.blend(e.sub(23f), tiny);
        // ln(1 + f) = f - f^2/2 + f^3 p(f)
        FloatVector p = f.fma(f.broadcast(-0.076345f), f.broadcast(0.12761578f));
        p = p.fma(f, f.broadcast(-0.13160181f));
        p = p.fma(f, f.broadcast(0.14201757f));
        p = p.fma(f, f.broadcast(-0.16623357f));
        p = p.fma(f, f.broadcast(0.20001227f));
        p = p.fma(f, f.broadcast(-0.2500082f));
        p = p.fma(f, f.broadcast(0.3333333f));
        FloatVector ff = f.mul(f);
        FloatVector y = e.fma(f.broadcast(LN2_LO), p.mul(ff.mul(f)));
        y = ff.fma(f.broadcast(-0.5f), y).add(f);
        y = e.fma(f.broadcast(LN2_HI), y);
        y = y.blend(Float.POSITIVE_INFINITY, x.compare(EQ, Float.POSITIVE_INFINITY));
        y = y.blend(Float.NaN, x.compare(GE, 0f).not());
        return y.blend(Float.NEGATIVE_INFINITY, x.compare(EQ, 0f));
    }

    /// Hyperbolic tangent, also relatively accurate around zero.
    static FloatVector tanh(FloatVector x) {
        FloatVector a = x.abs();
        // 1 - 2 / (e^2a + 1) loses its leading digits for small a, where x + x^3 p(x^2) takes over
        FloatVector large = exp(a.add(a)).add(1f);
        large = large.broadcast(1f).sub(large.broadcast(2f).div(large));
        FloatVector z = a.mul(a);
        FloatVector p = z.fma(z.broadcast(-0.0056669773f), z.broadcast(0.020606177f));
        p = p.fma(z, z.broadcast(-0.053730007f));
        p = p.fma(z, z.broadcast(0.13331331f));
        p = p.fma(z, z.broadcast(-0.33333278f));
        FloatVector small = p.fma(z.mul(a), a);
        IntVector sign = x.reinterpretAsInts().and(SIGN);
        FloatVector y = large.blend(small, a.compare(LT, 0.625f));
        return y.reinterpretAsInts().or(sign).reinterpretAsFloats();
    }

    /// Logistic function, `1 / (1 + e^-x)`.
    static FloatVector sigmoid(FloatVector x) {
        return x.broadcast(1f).div(exp(x.neg()).add(1f));
    }

    /// `x / (1 + e^-x)`.
    static FloatVector silu(FloatVector x) {
        return x.div(exp(x.neg()).add(1f));
    }

    /// The tanh form of GELU; `(1 + tanh u) / 2` is the logistic function of `2u`.
    static FloatVector geluTanh(FloatVector x) {
        FloatVector cubic = x.mul(x).fma(x.broadcast(0.044715f), x.broadcast(1f));
        FloatVector twice = x.mul(cubic).mul((float) -1.5957691216057308);
        return x.div(exp(twice).add(1f));
    }

    /// GELU, `x Phi(x)` with the normal distribution function Phi.
    ///
    /// The tail `Phi(-|x|) = e^(-x^2/2) t p(t)` with `t = 1 / (1 + 0.35 |x|)` keeps its relative accuracy however small
    /// it is.
    static FloatVector gelu(FloatVector x) {
        FloatVector a = x.abs();
        a = a.blend(14.5f, a.compare(GT, 14.5f));
        FloatVector t = a.broadcast(1f).div(a.fma(a.broadcast(0.35f), a.broadcast(1f)));
        FloatVector p = t.fma(t.broadcast(-0.029145936f), t.broadcast(0.14397171f));
        p = p.fma(t, t.broadcast(-0.25571427f));
        p = p.fma(t, t.broadcast(0.15917416f));
        p = p.fma(t, t.broadcast(-0.023109823f));
        p = p.fma(t, t.broadcast(0.10550799f));
        p = p.fma(t, t.broadcast(0.11983287f));
        p = p.fma(t, t.broadcast(0.13986187f));
        p = p.fma(t, t.broadcast(0.1396214f)).mul(t);
        FloatVector square = a.mul(a);
        FloatVector lost = a.fma(a, square.neg());
        FloatVector tail = exp(square.mul(-0.5f));
        tail = lost.mul(-0.5f).fma(tail, tail).mul(p);
        return x.mul(tail.broadcast(1f).sub(tail).blend(tail, x.compare(LT, 0f)));
    }

    /// Sine of radians, for magnitudes up to [#TRIGONOMETRIC_LIMIT]; larger arguments lose accuracy, infinities give
    /// NaN.
    static FloatVector sin(FloatVector x) {
        // an odd function: working on the magnitude keeps the sign of zero
        IntVector sign = x.reinterpretAsInts().and(SIGN);
        FloatVector y = sineOfQuadrant(x.abs(), 0);
        return y.reinterpretAsInts().lanewise(XOR, sign).reinterpretAsFloats();
    }

    /// Cosine of radians, with the limit of [#sin].
    static FloatVector cos(FloatVector x) {
        return sineOfQuadrant(x.abs(), 1);
    }

    /// The sine of `x + quadrants pi/2`.
    private static FloatVector sineOfQuadrant(FloatVector x, int quadrants) {
        FloatVector shifted = x.fma(x.broadcast(0.63661975f), x.broadcast(ROUNDER));
        FloatVector n = shifted.sub(ROUNDER);
        FloatVector r = n.fma(x.broadcast(-HALF_PI_1), x);
        r = n.fma(x.broadcast(-HALF_PI_2), r);
        r = n.fma(x.broadcast(-HALF_PI_3), r);
        FloatVector z = r.mul(r);
        FloatVector s = z.fma(z.broadcast(-0.0001951398f), z.broadcast(0.008332151f));
        s = s.fma(z, z.broadcast(-0.16666654f)).fma(z, z.broadcast(1f)).mul(r);
        FloatVector c = z.fma(z.broadcast(2.4431669e-05f), z.broadcast(-0.0013887304f));
        c = c.fma(z, z.broadcast(0.041666646f));
        c = c.fma(z, z.broadcast(-0.5f)).fma(z, z.broadcast(1f));
        IntVector q = shifted.reinterpretAsInts().add(quadrants);
        FloatVector y = s.blend(c, q.and(1).compare(NE, 0).cast(s.species()));
        IntVector sign = q.lanewise(LSHL, 30).and(SIGN);
        return y.reinterpretAsInts().lanewise(XOR, sign).reinterpretAsFloats();
    }

    /// Largest integer not above x; keeps the sign of zero.
    static FloatVector floor(FloatVector x) {
        FloatVector r = round(x);
        return r.blend(r.sub(1f), r.compare(GT, x));
    }

    /// Nearest integer, ties to even; keeps the sign of zero.
    static FloatVector round(FloatVector x) {
        IntVector sign = x.reinterpretAsInts().and(SIGN);
        FloatVector a = x.abs();
        FloatVector r = a.add(0x1p23f).sub(0x1p23f);
        r = r.reinterpretAsInts().or(sign).reinterpretAsFloats();
        // from 2^23 on every float is an integer; NaN fails the comparison and stays
        return x.blend(r, a.compare(LT, 0x1p23f));
    }

    /// What a normalisation or product applies before writing.
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
