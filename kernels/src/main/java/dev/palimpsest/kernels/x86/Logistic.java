package dev.palimpsest.kernels.x86;

import static dev.palimpsest.kernels.x86.Operand.Vec.zmm;

import dev.palimpsest.kernels.x86.Operand.Vec;

/// Writes the activations, which both are `x` times the logistic function: `x / (1 + exp(-y))` with `y = x` for SiLU
/// and `y = 2 sqrt(2/pi) (x + 0.044715 x^3)` for the tanh form of GELU, because `(1 + tanh u) / 2` is the logistic
/// function of `2u`.
///
/// The exponential is `2^n p(r)` with `n` the whole number next to `-y / ln 2` and `r = -y - n ln 2` in two parts
/// (Cody & Waite 1980); `p` is the Taylor polynomial of degree 7, whose error on `|r| <= ln 2 / 2` is 6e-9.
final class Logistic {
    private static final float LOG2_E = (float) 1.4426950408889634;

    /// The upper bits of ln 2, few enough that their multiples by exponents are exact, and the rest.
    private static final float LN2_HIGH = 0x1.62ep-1f;

    private static final float LN2_LOW = (float) (0.6931471805599453 - LN2_HIGH);

    /// Beyond it the exponential is 0 or infinite.
    private static final float LIMIT = 104;

    private static final float[] TAYLOR = {1 / 5040f, 1 / 720f, 1 / 120f, 1 / 24f, 1 / 6f, 1 / 2f, 1, 1};

    // registers
    private static final Vec Y = zmm(2);
    private static final Vec N = zmm(3);
    private static final Vec P = zmm(4);
    private static final int FIRST_CONSTANT = 16;
    private static final Vec LOW_LIMIT = zmm(FIRST_CONSTANT + TAYLOR.length);
    private static final Vec HIGH_LIMIT = zmm(FIRST_CONSTANT + TAYLOR.length + 1);
    private static final Vec MINUS_LOG2_E = zmm(FIRST_CONSTANT + TAYLOR.length + 2);
    private static final Vec LN2_1 = zmm(FIRST_CONSTANT + TAYLOR.length + 3);
    private static final Vec LN2_2 = zmm(FIRST_CONSTANT + TAYLOR.length + 4);
    private static final Vec CUBIC = zmm(FIRST_CONSTANT + TAYLOR.length + 5);
    private static final Vec LINEAR = zmm(FIRST_CONSTANT + TAYLOR.length + 6);

    private final Assembler a;

    Logistic(Assembler a) {
        this.a = a;
    }

    /// Loads the constants, once, into the registers from 16 on.
    void constants() {
        for (int i = 0; i < TAYLOR.length; i++) {
            a.vbroadcastss(zmm(FIRST_CONSTANT + i), a.constant(TAYLOR[i]));
        }
        double slope = 2 * Math.sqrt(2 / Math.PI);
        a.vbroadcastss(LOW_LIMIT, a.constant(-LIMIT));
        a.vbroadcastss(HIGH_LIMIT, a.constant(LIMIT));
        a.vbroadcastss(MINUS_LOG2_E, a.constant(-LOG2_E));
        a.vbroadcastss(LN2_1, a.constant(LN2_HIGH));
        a.vbroadcastss(LN2_2, a.constant(LN2_LOW));
        a.vbroadcastss(CUBIC, a.constant((float) (0.044715 * slope)));
        a.vbroadcastss(LINEAR, a.constant((float) slope));
    }

    /// `x = x / (1 + exp(-x))`, using the registers 2 to 4.
    void silu(Vec x) {
        a.vmaxps(Y, LOW_LIMIT, x);
        times(x);
    }

    /// The tanh form of GELU of `x`, using the registers 2 to 4.
    void geluTanh(Vec x) {
        a.vmulps(Y, x, x);
        a.vfmadd213ps(Y, CUBIC, LINEAR); // Y = Y * CUBIC + LINEAR
        a.vmulps(Y, Y, x);
        a.vmaxps(Y, LOW_LIMIT, Y);
        times(x);
    }

    /// `x = x / (1 + exp(-Y))`
    private void times(Vec x) {
        a.vminps(Y, HIGH_LIMIT, Y);
        a.vmulps(N, Y, MINUS_LOG2_E);
        a.vrndscaleps(N, N, 0);
        // r = -(Y + n ln 2)
        a.vfmadd231ps(Y, N, LN2_1);
        a.vfmadd231ps(Y, N, LN2_2);
        a.vpxord(P, P, P);
        a.vsubps(Y, P, Y);
        a.vmovups(P, zmm(FIRST_CONSTANT));
        for (int i = 1; i < TAYLOR.length; i++) {
            a.vfmadd213ps(P, Y, zmm(FIRST_CONSTANT + i)); // P = P * Y + next
        }
        a.vscalefps(P, P, N);
        a.vaddps(P, P, zmm(FIRST_CONSTANT + TAYLOR.length - 1)); // 1 + exp(-Y)
        a.vdivps(x, x, P);
    }
}
