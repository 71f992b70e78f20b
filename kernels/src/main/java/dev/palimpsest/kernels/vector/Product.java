package dev.palimpsest.kernels.vector;

import dev.palimpsest.kernels.Epilogue;
import dev.palimpsest.kernels.NdArray;

/// A matrix product whose rows may run over several axes: `out = epilogue(a b)`.
///
/// @param a `(rows..., K)`
/// @param b `(K, N)`
/// @param out `(rows..., N)`
/// @param epilogue gate and residual have the shape of `out`
record Product(NdArray a, NdArray b, NdArray out, Epilogue epilogue) {
    /// One product of a batch: of operands that all begin with these axes, what lies at one index of them.
    ///
    /// @param index row-major number of the product
    Product item(int index, int[] extents) {
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
