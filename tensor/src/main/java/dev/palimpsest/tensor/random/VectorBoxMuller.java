package dev.palimpsest.tensor.random;

/// The float32 Box-Muller transform of PyTorch's vectorised `randn`, to the last bit.
///
/// On x86-64 PyTorch turns 16 uniforms at a time into 16 normals with AVX2 code (`normal_fill_16_AVX2`), whose
/// logarithm, sine and cosine are the single-precision polynomials of S. Moshier's Cephes library, not the C library's
/// functions. Correctly rounded functions would give other last bits in more than a third of all values, so the
/// polynomials are evaluated here in the same order. PyTorch's compiler contracts a product followed by a sum into one
/// fused multiply-add: every `Math.fma` below stands where it did so, every plain sum where it could not.
///
/// G. Box and M. Muller, "A Note on the Generation of Random Normal Deviates", Annals of Mathematical Statistics
/// 29(2), 1958: for independent uniforms u and v, `sqrt(-2 ln u) cos(2 pi v)` and `sqrt(-2 ln u) sin(2 pi v)` are
/// independent standard normals.
@SuppressWarnings("FloatingPointLiteralPrecision") // the constants as Cephes publishes them
final class VectorBoxMuller {

    /// Values transformed together: 8 radii, then 8 angles.
    static final int BLOCK = 16;

    private static final float TWO_PI = (float) (2 * Math.PI);
    private static final float SQRT_HALF = 0.707106781186547524f;

    /// ln 2 in two parts; the first has few bits, so that its product with an exponent is exact.
    private static final float LN2_HIGH = 0.693359375f;

    private static final float LN2_LOW = -2.12194440e-4f;

    private static final float FOUR_OVER_PI = 1.27323954473516f;

    /// pi / 4 in three parts (Cody and Waite's reduction).
    private static final float QUARTER_PI_HIGH = 0.78515625f;

    private static final float QUARTER_PI_MIDDLE = 2.4187564849853515625e-4f;
    private static final float QUARTER_PI_LOW = 3.77489497744594108e-8f;

    /// Minimax coefficients, highest power first, of (ln(1 + x) - x + x^2 / 2) / x^3.
    private static final float[] LOG = {
        7.0376836292e-2f,
        -1.1514610310e-1f,
        1.1676998740e-1f,
        -1.2420140846e-1f,
        1.4249322787e-1f,
        -1.6668057665e-1f,
        2.0000714765e-1f,
        -2.4999993993e-1f,
        3.3333331174e-1f
    };

    /// Minimax coefficients in z = x^2, highest power first, of (sin(x) / x - 1) / z.
    private static final float[] SIN = {-1.9515295891e-4f, 8.3321608736e-3f, -1.6666654611e-1f};

    /// Minimax coefficients in z = x^2, highest power first, of (cos(x) - 1 + z / 2) / z^2.
    private static final float[] COS = {2.443315711809948e-5f, -1.388731625493765e-3f, 4.166664568298827e-2f};

    private VectorBoxMuller() {}

    /// Replaces 16 uniforms in [0, 1) by 16 standard normals; values `j` and `j + 8` make a pair.
    static void transform(float[] block) {
        for (int j = 0; j < BLOCK / 2; j++) {
            float radius = (float) Math.sqrt(-2 * log(1 - block[j])); // [0, 1) -> (0, 1] for the logarithm
            float angle = TWO_PI * block[j + BLOCK / 2];
            int octants = ((int) (angle * FOUR_OVER_PI) + 1) & ~1;
            float x = reduce(angle, octants);
            boolean swapped = (octants & 2) != 0;
            float sin = swapped ? cosPolynomial(x) : sinPolynomial(x);
            float cos = swapped ? sinPolynomial(x) : cosPolynomial(x);
            // "+ 0" is the addition of the mean: it turns a negative zero into a positive one.
            block[j] = radius * ((octants + 2 & 4) != 0 ? -cos : cos) + 0;
            block[j + BLOCK / 2] = radius * ((octants & 4) != 0 ? -sin : sin) + 0;
        }
    }

    /// ln x for normal x > 0: the exponent times ln 2, and a polynomial on [sqrt(1/2), sqrt(2)].
    private static float log(float value) {
        int bits = Float.floatToRawIntBits(value);
        float mantissa = Float.intBitsToFloat((bits & 0x007fffff) | 0x3f000000); // [1/2, 1)
        float exponent = (bits >>> 23) - 126;
        float x = mantissa - 1;
        if (mantissa < SQRT_HALF) {
            exponent -= 1;
            x += mantissa;
        }
        float square = x * x;
        float y = horner(LOG, x) * x;
        y = Math.fma(y, square, exponent * LN2_LOW);
        y = Math.fma(-square, 0.5f, y);
        return Math.fma(exponent, LN2_HIGH, x + y);
    }

    /// The distance of an angle in [0, 2 pi] from the even multiple of pi / 4 next to it.
    private static float reduce(float angle, int octants) {
        float x = Math.fma(octants, -QUARTER_PI_HIGH, angle);
        x = Math.fma(octants, -QUARTER_PI_MIDDLE, x);
        return Math.fma(octants, -QUARTER_PI_LOW, x);
    }

    /// sin x for |x| <= pi / 4.
    private static float sinPolynomial(float x) {
        float z = x * x;
        return Math.fma(horner(SIN, z) * z, x, x);
    }

    /// cos x for |x| <= pi / 4.
    private static float cosPolynomial(float x) {
        float z = x * x;
        return Math.fma(horner(COS, z) * z, z, -(z * 0.5f)) + 1;
    }

    private static float horner(float[] coefficients, float x) {
        float y = coefficients[0];
        for (int i = 1; i < coefficients.length; i++) {
            y = Math.fma(y, x, coefficients[i]);
        }
        return y;
    }
}
