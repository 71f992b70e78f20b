package dev.palimpsest.kernels.vector;

import static java.lang.constant.ConstantDescs.CD_Object;
import static java.lang.constant.ConstantDescs.CD_float;
import static java.lang.constant.ConstantDescs.CD_int;
import static java.lang.constant.ConstantDescs.CD_long;
import static java.lang.constant.ConstantDescs.CD_void;
import static java.lang.constant.ConstantDescs.INIT_NAME;
import static java.lang.constant.ConstantDescs.MTD_void;

import dev.palimpsest.kernels.DType;
import java.lang.classfile.ClassFile;
import java.lang.classfile.CodeBuilder;
import java.lang.classfile.Label;
import java.lang.classfile.TypeKind;
import java.lang.constant.ClassDesc;
import java.lang.constant.ConstantDescs;
import java.lang.constant.DirectMethodHandleDesc;
import java.lang.constant.DynamicConstantDesc;
import java.lang.constant.MethodHandleDesc;
import java.lang.constant.MethodTypeDesc;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.lang.reflect.AccessFlag;
import java.nio.ByteOrder;
import java.util.function.Consumer;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.Vector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/// Writes the micro-kernels as Java bytecode, one hidden class for each shape and vector width.
///
/// A register tile needs every accumulator in a local variable of its own and every loop over rows and vectors
/// unrolled: the just-in-time compiler keeps vectors in registers only if no array of vectors is in sight. Written by
/// hand that is a page for each shape; here it is one loop that emits calls of the same Vector API that a person would
/// have written. What is emitted depends on the arguments alone.
///
/// Rules that the measurements dictate: no other loop inside the loop; operands in native memory, read at offsets that
/// are checked on every access (hoisted checks make the compiler spill registers); results to a Java array at constant
/// places.
final class TileCompiler {
    private static final ClassDesc SEGMENT = desc(MemorySegment.class);
    private static final ClassDesc FLOATS = desc(FloatVector.class);
    private static final ClassDesc INTS = desc(IntVector.class);
    private static final ClassDesc SHORTS = desc(ShortVector.class);
    private static final ClassDesc BYTES = desc(ByteVector.class);
    private static final ClassDesc VECTOR = desc(Vector.class);
    private static final ClassDesc OPERATORS = desc(VectorOperators.class);
    private static final ClassDesc BINARY = desc(VectorOperators.Binary.class);
    private static final ClassDesc CONVERSION = desc(VectorOperators.Conversion.class);
    private static final ClassDesc SPECIES = desc(VectorSpecies.class);
    private static final ClassDesc SHUFFLE = desc(VectorShuffle.class);
    private static final ClassDesc BYTE_ORDER = desc(ByteOrder.class);
    private static final ClassDesc ARRAY = desc(float[].class);

    private TileCompiler() {}

    /// The outer-product kernel for `rows` rows and `vectors` vectors of `bits` bits, over panels of this type.
    static Tile outer(PanelType type, int bits, int rows, int vectors) {
        return tile(
                "Outer" + type + rows + "x" + vectors + "x" + bits,
                code -> new Body(code, bits, rows, vectors).outer(type));
    }

    /// The inner-product kernel for `rows` rows and `columns` columns, each sum a vector of `bits` bits, over columns
    /// of f32 or bf16.
    static Tile inner(DType type, int bits, int rows, int columns) {
        return tile(
                "Inner" + type + rows + "x" + columns + "x" + bits,
                code -> new Body(code, bits, rows, columns).inner(type));
    }

    private static Tile tile(String name, Consumer<CodeBuilder> body) {
        return define(
                name,
                Tile.class,
                "accumulate",
                MethodTypeDesc.of(CD_void, SEGMENT, CD_long, CD_long, SEGMENT, CD_long, CD_long, ARRAY, CD_int),
                body);
    }

    /// The code of one kernel; the fields are numbers of local variables.
    private static final class Body {
        // the parameters of Tile.accumulate: a long takes two locals
        private static final int A = 1;
        private static final int A_AT = 2;
        private static final int A_STRIDE = 4;
        private static final int B = 6;
        private static final int B_AT = 7;
        private static final int B_STRIDE = 9;
        private static final int TILE = 11;
        private static final int K = 12;

        private final CodeBuilder code;
        private final int bits;
        private final int lanes;
        private final int rows;
        private final int vectors;
        private final int[][] sums;
        private final int[] b;
        private final int[] aRow;
        private final int x;
        private final int i;

        Body(CodeBuilder code, int bits, int rows, int vectors) {
            this.code = code;
            this.bits = bits;
            this.lanes = bits / Float.SIZE;
            this.rows = rows;
            this.vectors = vectors;
            sums = new int[rows][];
            for (int r = 0; r < rows; r++) {
                sums[r] = locals(TypeKind.REFERENCE, vectors);
            }
            b = locals(TypeKind.REFERENCE, vectors);
            aRow = locals(TypeKind.LONG, rows);
            x = code.allocateLocal(TypeKind.REFERENCE);
            i = code.allocateLocal(TypeKind.INT);
        }

        private int[] locals(TypeKind kind, int n) {
            int[] slots = new int[n];
            for (int s = 0; s < n; s++) {
                slots[s] = code.allocateLocal(kind);
            }
            return slots;
        }

        /// Each step loads one row of the panel, and for each of its elements along the inner dimension multiplies it
        /// with one broadcast element of every row of `a`.
        void outer(PanelType type) {
            startOfRows(A_AT, A_STRIDE, aRow);
            loadSums();
            boolean floats = type == PanelType.F32;
            int[] raw = floats ? b : locals(TypeKind.REFERENCE, vectors);
            long vectorBytes = (long) lanes * type.depth() * type.element().bytes();
            loop(type.depth(), () -> {
                int bRow = code.allocateLocal(TypeKind.LONG);
                code.lload(B_AT).iload(i).i2l().lload(B_STRIDE).lmul().ladd().lstore(bRow);
                for (int v = 0; v < vectors; v++) {
                    int vector = v;
                    load(
                            stored(type),
                            storedBits(type),
                            B,
                            () -> code.lload(bRow)
                                    .loadConstant(vector * vectorBytes)
                                    .ladd());
                    code.astore(raw[v]);
                }
                for (int e = 0; e < type.depth(); e++) {
                    for (int v = 0; v < vectors && !floats; v++) {
                        code.aload(raw[v]);
                        widen(type, e);
                        code.astore(b[v]);
                    }
                    for (int r = 0; r < rows; r++) {
                        species(FLOATS, bits);
                        code.aload(A)
                                .getstatic(
                                        desc(ValueLayout.class),
                                        "JAVA_FLOAT_UNALIGNED",
                                        desc(ValueLayout.OfFloat.class));
                        along(aRow[r]);
                        code.loadConstant((long) e * Float.BYTES).ladd();
                        code.invokeinterface(
                                        SEGMENT,
                                        "get",
                                        MethodTypeDesc.of(CD_float, desc(ValueLayout.OfFloat.class), CD_long))
                                .invokestatic(FLOATS, "broadcast", MethodTypeDesc.of(FLOATS, SPECIES, CD_float))
                                .astore(x);
                        multiply(r);
                    }
                }
            });
            storeSums();
            code.return_();
        }

        private static ClassDesc stored(PanelType type) {
            return switch (type) {
                case F32 -> FLOATS;
                case BF16 -> INTS;
                case F16 -> SHORTS;
                case I8 -> BYTES;
            };
        }

        /// Bits of the vector that holds what becomes a vector of floats; there is none of less than 64.
        private int storedBits(PanelType type) {
            return Math.max(64, bits * type.depth() * type.element().bytes() / Float.BYTES);
        }

        /// Makes floats of what was loaded, which is on the stack: of the `e`-th elements that lie together.
        private void widen(PanelType type, int e) {
            switch (type) {
                case F32 -> throw new IllegalStateException("floats need no widening");
                case BF16 -> {
                    if (e == 0) {
                        shift("LSHL", 16);
                    } else {
                        mask(0xffff_0000);
                    }
                    asFloats();
                }
                case F16 -> {
                    // exponent and fraction go to where a float has them; the factor corrects the exponent's bias and
                    // normalises denormal numbers
                    convert(SHORTS, "S2I", INTS);
                    shift("LSHL", 13);
                    mask(0x8fff_ffff);
                    asFloats();
                    code.loadConstant(0x1p112f).invokevirtual(FLOATS, "mul", MethodTypeDesc.of(FLOATS, CD_float));
                }
                case I8 -> convert(BYTES, "B2F", FLOATS);
            }
        }

        private void convert(ClassDesc from, String conversion, ClassDesc to) {
            code.getstatic(OPERATORS, conversion, CONVERSION);
            species(to, bits);
            code.loadConstant(0)
                    .invokevirtual(from, "convertShape", MethodTypeDesc.of(VECTOR, CONVERSION, SPECIES, CD_int))
                    .checkcast(to);
        }

        private void shift(String operator, int by) {
            code.getstatic(OPERATORS, operator, BINARY)
                    .loadConstant(by)
                    .invokevirtual(INTS, "lanewise", MethodTypeDesc.of(INTS, BINARY, CD_int));
        }

        private void mask(int bits) {
            code.loadConstant(bits).invokevirtual(INTS, "and", MethodTypeDesc.of(INTS, CD_int));
        }

        private void asFloats() {
            code.invokevirtual(INTS, "reinterpretAsFloats", MethodTypeDesc.of(FLOATS));
        }

        /// Each step loads one vector of every row of both sides.
        void inner(DType type) {
            boolean floats = type == DType.F32;
            int[] bColumn = locals(TypeKind.LONG, vectors);
            startOfRows(A_AT, A_STRIDE, aRow);
            startOfRows(B_AT, B_STRIDE, bColumn);
            loadSums();
            loop(lanes, () -> {
                for (int v = 0; v < vectors; v++) {
                    int column = bColumn[v];
                    load(floats ? FLOATS : SHORTS, floats ? bits : bits / 2, B, () -> along(column, type.bytes()));
                    if (!floats) {
                        convert(SHORTS, "S2I", INTS);
                        shift("LSHL", 16);
                        asFloats();
                    }
                    code.astore(b[v]);
                }
                for (int r = 0; r < rows; r++) {
                    int row = aRow[r];
                    load(FLOATS, bits, A, () -> along(row));
                    code.astore(x);
                    multiply(r);
                }
            });
            storeSums();
            code.return_();
        }

        private void startOfRows(int at, int stride, int[] into) {
            for (int r = 0; r < into.length; r++) {
                if (r == 0) {
                    code.lload(at);
                } else {
                    code.lload(into[r - 1]).lload(stride).ladd();
                }
                code.lstore(into[r]);
            }
        }

        private void loop(int step, Runnable body) {
            Label top = code.newLabel();
            Label end = code.newLabel();
            code.loadConstant(0).istore(i);
            code.labelBinding(top).iload(i).iload(K).if_icmpge(end);
            body.run();
            code.iinc(i, step).goto_(top).labelBinding(end);
        }

        /// Pushes the position of element `i` of the row that starts at this local.
        private void along(int row) {
            along(row, Float.BYTES);
        }

        private void along(int row, int bytes) {
            code.lload(row).iload(i).i2l().loadConstant((long) bytes).lmul().ladd();
        }

        private void species(ClassDesc vector, int width) {
            code.getstatic(vector, "SPECIES_" + width, SPECIES);
        }

        private void load(ClassDesc vector, int width, int segment, Runnable position) {
            species(vector, width);
            code.aload(segment);
            position.run();
            code.getstatic(BYTE_ORDER, "LITTLE_ENDIAN", BYTE_ORDER)
                    .invokestatic(
                            vector,
                            "fromMemorySegment",
                            MethodTypeDesc.of(vector, SPECIES, SEGMENT, CD_long, BYTE_ORDER));
        }

        private void multiply(int r) {
            for (int v = 0; v < vectors; v++) {
                code.aload(x)
                        .aload(b[v])
                        .aload(sums[r][v])
                        .invokevirtual(FLOATS, "fma", MethodTypeDesc.of(FLOATS, VECTOR, VECTOR))
                        .astore(sums[r][v]);
            }
        }

        private void loadSums() {
            for (int r = 0; r < rows; r++) {
                for (int v = 0; v < vectors; v++) {
                    species(FLOATS, bits);
                    code.aload(TILE)
                            .loadConstant((r * vectors + v) * lanes)
                            .invokestatic(FLOATS, "fromArray", MethodTypeDesc.of(FLOATS, SPECIES, ARRAY, CD_int))
                            .astore(sums[r][v]);
                }
            }
        }

        private void storeSums() {
            for (int r = 0; r < rows; r++) {
                for (int v = 0; v < vectors; v++) {
                    code.aload(sums[r][v])
                            .aload(TILE)
                            .loadConstant((r * vectors + v) * lanes)
                            .invokevirtual(FLOATS, "intoArray", MethodTypeDesc.of(CD_void, ARRAY, CD_int));
                }
            }
        }
    }

    /// Transposes a square of as many rows as a vector has lanes; positions and row distances are in bytes.
    @FunctionalInterface
    interface Transpose {
        /// `to[c][r] = from[r][c]`
        void square(MemorySegment from, long fromAt, long fromStride, MemorySegment to, long toAt, long toStride);
    }

    /// The kernel that transposes a square in registers: for every distance d = lanes/2, ..., 2, 1 the rows r and r +
    /// d swap the halves of their blocks of 2d lanes (Eklundh 1972, "A fast computer method for matrix transposing").
    static Transpose transpose(int bits) {
        int lanes = bits / Float.SIZE;
        return define(
                "Transpose" + lanes,
                Transpose.class,
                "square",
                MethodTypeDesc.of(CD_void, SEGMENT, CD_long, CD_long, SEGMENT, CD_long, CD_long),
                code -> {
                    int[] row = new int[lanes];
                    for (int r = 0; r < lanes; r++) {
                        row[r] = code.allocateLocal(TypeKind.REFERENCE);
                        code.getstatic(FLOATS, "SPECIES_" + bits, SPECIES).aload(1);
                        code.lload(2).lload(4).loadConstant((long) r).lmul().ladd();
                        code.getstatic(BYTE_ORDER, "LITTLE_ENDIAN", BYTE_ORDER)
                                .invokestatic(
                                        FLOATS,
                                        "fromMemorySegment",
                                        MethodTypeDesc.of(FLOATS, SPECIES, SEGMENT, CD_long, BYTE_ORDER))
                                .astore(row[r]);
                    }
                    int swapped = code.allocateLocal(TypeKind.REFERENCE);
                    for (int d = lanes / 2; d > 0; d /= 2) {
                        for (int r = 0; r < lanes; r++) {
                            if ((r & d) == 0) {
                                swap(code, bits, d, false, row[r], row[r + d], swapped);
                                swap(code, bits, d, true, row[r], row[r + d], row[r + d]);
                                code.aload(swapped).astore(row[r]);
                            }
                        }
                    }
                    for (int r = 0; r < lanes; r++) {
                        code.aload(row[r]).aload(6);
                        code.lload(7).lload(9).loadConstant((long) r).lmul().ladd();
                        code.getstatic(BYTE_ORDER, "LITTLE_ENDIAN", BYTE_ORDER)
                                .invokevirtual(
                                        FLOATS,
                                        "intoMemorySegment",
                                        MethodTypeDesc.of(CD_void, SEGMENT, CD_long, BYTE_ORDER));
                    }
                    code.return_();
                });
    }

    private static void swap(CodeBuilder code, int bits, int d, boolean upper, int first, int second, int into) {
        MethodHandleDesc bootstrap = MethodHandleDesc.ofMethod(
                DirectMethodHandleDesc.Kind.STATIC,
                desc(TileCompiler.class),
                "swapShuffle",
                MethodTypeDesc.of(
                        SHUFFLE,
                        ConstantDescs.CD_MethodHandles_Lookup,
                        ConstantDescs.CD_String,
                        ConstantDescs.CD_Class,
                        CD_int,
                        CD_int,
                        CD_int));
        code.aload(first)
                .ldc(DynamicConstantDesc.ofNamed(
                        (DirectMethodHandleDesc) bootstrap, "shuffle", SHUFFLE, bits, d, upper ? 1 : 0))
                .aload(second)
                .invokevirtual(FLOATS, "rearrange", MethodTypeDesc.of(FLOATS, SHUFFLE, VECTOR))
                .astore(into);
    }

    /// Bootstrap of the shuffles, which the generated code loads as constants: which lanes of two rows at distance `d`
    /// make up the lower (`upper` 0) or upper (1) row after the swap. Lanes of the second row are counted from -lanes.
    static VectorShuffle<Float> swapShuffle(
            MethodHandles.Lookup lookup, String name, Class<?> type, int bits, int d, int upper) {
        VectorSpecies<Float> species = VectorSpecies.of(float.class, VectorShape.forBitSize(bits));
        int lanes = species.length();
        return VectorShuffle.fromOp(species, lane -> {
            boolean second = (lane & d) != 0;
            int from = upper == 0 ? (second ? lane - d : lane) : (second ? lane : lane + d);
            return second ? from - lanes : from;
        });
    }

    private static <T> T define(
            String name, Class<T> type, String method, MethodTypeDesc descriptor, Consumer<CodeBuilder> body) {
        ClassDesc self = ClassDesc.of(TileCompiler.class.getPackageName() + "." + name);
        byte[] bytes = ClassFile.of().build(self, builder -> {
            builder.withFlags(AccessFlag.FINAL, AccessFlag.SYNTHETIC).withInterfaceSymbols(desc(type));
            builder.withMethodBody(
                    INIT_NAME,
                    MTD_void,
                    0,
                    code -> code.aload(0)
                            .invokespecial(CD_Object, INIT_NAME, MTD_void)
                            .return_());
            builder.withMethodBody(method, descriptor, ClassFile.ACC_PUBLIC, body);
        });
        try {
            MethodHandles.Lookup lookup = MethodHandles.lookup().defineHiddenClass(bytes, true);
            return type.cast(lookup.lookupClass().getDeclaredConstructor().newInstance());
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException("the kernel " + name + " could not be defined", e);
        }
    }

    private static ClassDesc desc(Class<?> type) {
        return type.describeConstable().orElseThrow();
    }
}
