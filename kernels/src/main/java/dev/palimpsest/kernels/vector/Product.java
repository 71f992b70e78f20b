package dev.palimpsest.kernels.vector;

import dev.palimpsest.kernels.Epilogue;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Shape;

/// A matrix product whose rows may run over several axes: `out = epilogue(a b)`.
///
/// @param a `(rows..., K)`
/// @param b `(K, N)`
/// @param out `(rows..., N)`
/// @param epilogue gate and residual have the shape of `out`
public record Product(NdArray a, NdArray b, NdArray out, Epilogue epilogue) {
    /// A product or several that are independent of each other.
    ///
    /// @param product operands whose first axes run over the products
    /// @param axes how many axes that are; 0 for a single product
    public record Batch(Product product, int axes) {}

    /// The products of a call: axes on which `b` changes are the batch and come first, the others, M among them, are
    /// rows.
    ///
    /// @param a `(..., M, K)`
    /// @param b `(..., K, N)`
    /// @param out `(..., M, N)`
    /// @param epilogue gate and residual stretch to `out`
    public static Batch of(NdArray a, NdArray b, NdArray out, Epilogue epilogue) {
        Shape shape = out.shape();
        NdArray gate = epilogue.gate() == null ? null : epilogue.gate().expand(shape);
        NdArray residual =
                epilogue.residual() == null ? null : epilogue.residual().expand(shape);
        int leading = shape.rank() - 2;
        int[] order = new int[shape.rank()];
        int batchAxes = 0;
        for (int i = 0; i < leading; i++) {
            if (b.dim(i) > 1 && b.stride(i) != 0) {
                order[batchAxes++] = i;
            }
        }
        int next = batchAxes;
        for (int i = 0; i < leading; i++) {
            if (b.dim(i) <= 1 || b.stride(i) == 0) {
                order[next++] = i;
            }
        }
        order[leading] = leading;
        order[leading + 1] = leading + 1;
        NdArray rightSide = b.permute(order);
        for (int i = leading - 1; i >= batchAxes; i--) {
            rightSide = rightSide.select(i, 0);
        }
        Product product = new Product(
                a.permute(order),
                rightSide,
                out.permute(order),
                new Epilogue(
                        epilogue.bias(),
                        epilogue.activation(),
                        gate == null ? null : gate.permute(order),
                        residual == null ? null : residual.permute(order)));
        return new Batch(product, batchAxes);
    }

    /// One product of a batch: of operands that all begin with these axes, what lies at one index of them.
    ///
    /// @param index row-major number of the product
    /// @param extents lengths of the axes
    public Product item(int index, int[] extents) {
        NdArray ai = a;
        NdArray bi = b;
        NdArray oi = out;
        NdArray gate = epilogue.gate();
        NdArray residual = epilogue.residual();
        int rest = index;
        for (int axis = extents.length - 1; axis >= 0; axis--) {
            int i = rest % extents[axis];
            rest /= extents[axis];
            ai = ai.select(axis, i);
            bi = bi.select(axis, i);
            oi = oi.select(axis, i);
            gate = gate == null ? null : gate.select(axis, i);
            residual = residual == null ? null : residual.select(axis, i);
        }
        return new Product(ai, bi, oi, new Epilogue(epilogue.bias(), epilogue.activation(), gate, residual));
    }
}
