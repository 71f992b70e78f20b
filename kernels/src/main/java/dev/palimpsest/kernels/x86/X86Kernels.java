package dev.palimpsest.kernels.x86;

import dev.palimpsest.kernels.Activation;
import dev.palimpsest.kernels.Affine;
import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.kernels.Attention;
import dev.palimpsest.kernels.Binary;
import dev.palimpsest.kernels.Checks;
import dev.palimpsest.kernels.Convolution;
import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.Epilogue;
import dev.palimpsest.kernels.Interpolation;
import dev.palimpsest.kernels.Kernels;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.PackedFilter;
import dev.palimpsest.kernels.PackedMatrix;
import dev.palimpsest.kernels.Parallel;
import dev.palimpsest.kernels.Reduction;
import dev.palimpsest.kernels.RopeLayout;
import dev.palimpsest.kernels.Unary;
import dev.palimpsest.kernels.vector.ImplicitGemm;
import dev.palimpsest.kernels.vector.PanelFilter;
import dev.palimpsest.kernels.vector.StreamingAttention;
import dev.palimpsest.kernels.vector.VectorKernels;
import dev.palimpsest.kernels.vector.Workspace;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// The provider with machine code for matrix products, convolutions and attention, written at run time for this
/// processor: AVX-512, bf16 and 8-bit integers where it has them. Everything else is [VectorKernels]'.
///
/// Machine code does not check addresses: that memory is alive is checked once at the start of an op, and arrays have
/// been checked against their memory when they were made. It knows no objects either: fences keep the operands from
/// the garbage collector until an op has ended.
public final class X86Kernels implements Kernels {
    private final VectorKernels vector;
    private final X86Matmul matmul;
    private final Workspace.Pool patchMemory = new Workspace.Pool();
    private final X86PatchTiles patches;
    private final ImplicitGemm convolution;
    private final Workspace.Pool attentionMemory = new Workspace.Pool();
    private final StreamingAttention attention;

    /// A provider with its threads.
    ///
    /// @param parallel the threads that share the loops
    /// @throws IllegalStateException if machine code cannot be used here, see [MachineCode]
    public X86Kernels(Parallel parallel) {
        vector = new VectorKernels(parallel);
        matmul = new X86Matmul(MachineCode.kernels(), vector, parallel);
        patches = new X86PatchTiles(MachineCode.kernels());
        convolution = new ImplicitGemm(parallel, patchMemory, patches);
        attention = new StreamingAttention(parallel, attentionMemory);
    }

    /// Bytes of native memory that the matrix kernels hold for operands that they convert or pack.
    public long workspaceBytes() {
        return vector.workspaceBytes() + matmul.workspaceBytes() + patchMemory.bytes() + attentionMemory.bytes();
    }

    @Override
    public String name() {
        return "x86";
    }

    @Override
    public void matmul(NdArray a, NdArray b, NdArray out, Epilogue epilogue) {
        Checks.matmul(a, b, out, epilogue);
        requireAlive("matmul", a.memory(), b.memory());
        requireAlive("matmul", out, epilogue);
        try {
            matmul.run(a, b, out, epilogue);
        } finally {
            Reference.reachabilityFence(a);
            Reference.reachabilityFence(b);
            Reference.reachabilityFence(out);
            Reference.reachabilityFence(epilogue);
        }
    }

    @Override
    public PackedMatrix pack(NdArray b, Arithmetic arithmetic, int groupSize, Arena arena) {
        if (!matmul.supports(arithmetic)) {
            return vector.pack(b, arithmetic, groupSize, arena);
        }
        Checks.pack(b, arithmetic, groupSize);
        requireAlive("pack", b.memory());
        try {
            return matmul.pack(b, arithmetic, groupSize, arena);
        } finally {
            Reference.reachabilityFence(b);
        }
    }

    @Override
    public void matmul(NdArray a, PackedMatrix b, NdArray out, Epilogue epilogue) {
        if (!(b instanceof X86Packed packed)) {
            vector.matmul(a, b, out, epilogue);
            return;
        }
        Checks.matmul(a, b, out, epilogue);
        requireAlive("matmul", a.memory(), packed.panels().memory());
        requireAlive("matmul", out, epilogue);
        try {
            matmul.run(a, packed, out, epilogue);
        } finally {
            Reference.reachabilityFence(a);
            Reference.reachabilityFence(b);
            Reference.reachabilityFence(out);
            Reference.reachabilityFence(epilogue);
        }
    }

    /// Integers have scales, for which the general way is good enough.
    @Override
    public void matmul(NdArray a, NdArray b, NdArray out, Epilogue epilogue, Arithmetic arithmetic) {
        if ((arithmetic != Arithmetic.F32 && arithmetic != Arithmetic.BF16) || !matmul.supports(arithmetic)) {
            Kernels.super.matmul(a, b, out, epilogue, arithmetic);
            return;
        }
        Checks.matmul(a, b, out, epilogue, arithmetic);
        requireAlive("matmul", a.memory(), b.memory());
        requireAlive("matmul", out, epilogue);
        try {
            matmul.run(a, b, out, epilogue, arithmetic);
        } finally {
            Reference.reachabilityFence(a);
            Reference.reachabilityFence(b);
            Reference.reachabilityFence(out);
            Reference.reachabilityFence(epilogue);
        }
    }

    private static void requireAlive(String op, NdArray out, Epilogue epilogue) {
        requireAlive(op, out.memory(), memory(epilogue.bias()), memory(epilogue.gate()), memory(epilogue.residual()));
    }

    private static MemorySegment memory(@Nullable NdArray x) {
        return x == null ? MemorySegment.NULL : x.memory();
    }

    private static void requireAlive(String op, MemorySegment... memory) {
        for (MemorySegment m : memory) {
            if (!m.scope().isAlive()) {
                throw new IllegalStateException(op + ": the arena of an operand is already closed");
            }
        }
    }

    @Override
    public void convolution(Convolution op, NdArray input, NdArray weight, NdArray out, Epilogue epilogue) {
        if (!patches.supports(op.arithmetic())) {
            vector.convolution(op, input, weight, out, epilogue);
            return;
        }
        Checks.convolution(op, input, weight, out, epilogue);
        requireAlive("convolution", weight.memory());
        try {
            convolve(input, out, epilogue, dense -> convolution.run(op, input, weight, out, dense));
        } finally {
            Reference.reachabilityFence(weight);
        }
    }

    @Override
    public PackedFilter packFilter(NdArray weight, Arithmetic arithmetic, Arena arena) {
        Checks.packFilter(weight, arithmetic);
        return patches.supports(arithmetic)
                ? convolution.pack(weight, arithmetic, arena)
                : vector.packFilter(weight, arithmetic, arena);
    }

    @Override
    public void convolution(Convolution op, NdArray input, PackedFilter weight, NdArray out, Epilogue epilogue) {
        if (!(weight instanceof PanelFilter filter && filter.provider().equals(name()))) {
            vector.convolution(op, input, weight, out, epilogue);
            return;
        }
        Checks.convolution(op, input, weight, out, epilogue);
        requireAlive("convolution", filter.panels());
        try {
            convolve(input, out, epilogue, dense -> convolution.run(op, input, filter, out, dense));
        } finally {
            Reference.reachabilityFence(weight);
        }
    }

    /// Runs a convolution with an epilogue whose bias has no gaps.
    private static void convolve(NdArray input, NdArray out, Epilogue epilogue, Consumer<Epilogue> body) {
        requireAlive("convolution", input.memory());
        requireAlive("convolution", out, epilogue);
        NdArray bias = epilogue.bias();
        try {
            if (bias == null || bias.dim(0) <= 1 || bias.stride(0) == 1) {
                body.accept(epilogue);
                return;
            }
            try (Arena arena = Arena.ofShared()) {
                NdArray dense = NdArray.of(arena.allocate(4L * bias.dim(0), 64), DType.F32, bias.shape());
                for (int i = 0; i < bias.dim(0); i++) {
                    dense.set(bias.get(i), i);
                }
                body.accept(new Epilogue(dense, epilogue.activation(), epilogue.gate(), epilogue.residual()));
            }
        } finally {
            Reference.reachabilityFence(input);
            Reference.reachabilityFence(out);
            Reference.reachabilityFence(epilogue);
        }
    }

    @Override
    public void attention(Attention op, NdArray q, NdArray k, NdArray v, NdArray out) {
        if (op.arithmetic() == Arithmetic.BF16 && !MachineCode.kernels().supports(TileType.BF16)) {
            vector.attention(op, q, k, v, out);
            return;
        }
        Checks.attention(op, q, k, v, out);
        requireAlive("attention", q.memory(), k.memory(), v.memory(), out.memory());
        requireAlive("attention", memory(op.bias()), memory(op.probabilities()), memory(op.logSumExp()));
        try {
            attention.run(op, new X86Attention(MachineCode.kernels(), vector, op, q.dim(2), v.dim(2)), q, k, v, out);
        } finally {
            Reference.reachabilityFence(op);
            Reference.reachabilityFence(q);
            Reference.reachabilityFence(k);
            Reference.reachabilityFence(v);
            Reference.reachabilityFence(out);
        }
    }

    @Override
    public void softmax(NdArray x, NdArray out) {
        vector.softmax(x, out);
    }

    @Override
    public void rmsNorm(NdArray x, float eps, Affine affine, NdArray out) {
        vector.rmsNorm(x, eps, affine, out);
    }

    @Override
    public void layerNorm(NdArray x, float eps, Affine affine, NdArray out) {
        vector.layerNorm(x, eps, affine, out);
    }

    @Override
    public void groupNorm(
            NdArray x, int groups, float eps, NdArray weight, NdArray bias, Activation activation, NdArray out) {
        vector.groupNorm(x, groups, eps, weight, bias, activation, out);
    }

    @Override
    public void unary(Unary op, NdArray x, NdArray out) {
        vector.unary(op, x, out);
    }

    @Override
    public void binary(Binary op, NdArray a, NdArray b, NdArray out) {
        vector.binary(op, a, b, out);
    }

    @Override
    public void where(NdArray condition, NdArray a, NdArray b, NdArray out) {
        vector.where(condition, a, b, out);
    }

    @Override
    public void reduce(Reduction op, NdArray x, NdArray out) {
        vector.reduce(op, x, out);
    }

    @Override
    public void argmax(NdArray x, NdArray out) {
        vector.argmax(x, out);
    }

    @Override
    public void copy(NdArray x, NdArray out) {
        vector.copy(x, out);
    }

    @Override
    public void fill(NdArray out, double value) {
        vector.fill(out, value);
    }

    @Override
    public void gather(NdArray table, NdArray indices, NdArray out) {
        vector.gather(table, indices, out);
    }

    @Override
    public void scatterAdd(NdArray rows, NdArray indices, NdArray out) {
        vector.scatterAdd(rows, indices, out);
    }

    @Override
    public void interpolate(Interpolation mode, NdArray x, NdArray out) {
        vector.interpolate(mode, x, out);
    }

    @Override
    public void rope(RopeLayout layout, NdArray x, NdArray cos, NdArray sin, NdArray out) {
        vector.rope(layout, x, cos, sin, out);
    }
}
