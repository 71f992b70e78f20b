package dev.palimpsest.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.palimpsest.weights.PickleValue.Sequence.Kind;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class PickleMachineTest {
    @TempDir
    Path folder;

    private static PickleBytes pickle() {
        return new PickleBytes();
    }

    private Path write(byte[] pickle) throws IOException {
        return Files.write(folder.resolve("file.pt"), ZipBytes.torch(pickle, Map.of()));
    }

    private PickleValue load(byte[] pickle) throws IOException {
        try (Checkpoint c = Checkpoint.open(write(pickle))) {
            return ((TorchFile) c).root();
        }
    }

    private static PickleValue text(String s) {
        return new PickleValue.Text(s);
    }

    private static PickleValue integer(String digits) {
        return new PickleValue.Int(new BigInteger(digits));
    }

    private static PickleValue items(Kind kind, PickleValue... items) {
        return new PickleValue.Sequence(kind, List.of(items));
    }

    private static PickleValue bytes(int... values) {
        byte[] b = new byte[values.length];
        for (int i = 0; i < b.length; i++) {
            b[i] = (byte) values[i];
        }
        return new PickleValue.Bytes(b);
    }

    private static PickleValue dict(PickleValue... keysAndValues) {
        Map<PickleValue, PickleValue> entries = new LinkedHashMap<>();
        for (int i = 0; i < keysAndValues.length; i += 2) {
            entries.put(keysAndValues[i], keysAndValues[i + 1]);
        }
        return new PickleValue.Dict(entries);
    }

    private static PickleBytes longLength(PickleBytes p, int opcode, int length) {
        return p.raw(opcode).raw(length, 0, 0, 0, 0, 0, 0, 0);
    }

    static Stream<Arguments> values() {
        return Stream.of(
                Arguments.of("None", pickle().op("N"), PickleValue.None.NONE),
                Arguments.of("NEWTRUE", pickle().raw(0x88), new PickleValue.Bool(true)),
                Arguments.of("NEWFALSE", pickle().raw(0x89), new PickleValue.Bool(false)),
                Arguments.of("INT true", pickle().op("I01\n"), new PickleValue.Bool(true)),
                Arguments.of("INT false", pickle().op("I00\n"), new PickleValue.Bool(false)),
                Arguments.of("INT", pickle().op("I-12\n"), integer("-12")),
                Arguments.of("BININT", pickle().op("J").raw(0xfe, 0xff, 0xff, 0xff), integer("-2")),
                Arguments.of("BININT1", pickle().op("K").raw(255), integer("255")),
                Arguments.of("BININT2", pickle().op("M").raw(0xff, 0xff), integer("65535")),
                Arguments.of("LONG", pickle().op("L-99999999999999999999L\n"), integer("-99999999999999999999")),
                Arguments.of("LONG1 of nothing", pickle().raw(0x8a, 0), integer("0")),
                Arguments.of("LONG1", pickle().raw(0x8a, 2, 0, 0x80), integer("-32768")),
                Arguments.of("LONG4", pickle().raw(0x8b, 3, 0, 0, 0, 0xff, 0xff, 0), integer("65535")),
                Arguments.of("FLOAT", pickle().op("F-1.5e-3\n"), new PickleValue.Real(-1.5e-3)),
                Arguments.of("FLOAT without fraction", pickle().op("F3.\n"), new PickleValue.Real(3)),
                Arguments.of("FLOAT inf", pickle().op("F-inf\n"), new PickleValue.Real(Double.NEGATIVE_INFINITY)),
                Arguments.of("FLOAT nan", pickle().op("Fnan\n"), new PickleValue.Real(Double.NaN)),
                Arguments.of(
                        "BINFLOAT", pickle().op("G").raw(0xbf, 0xf8, 0, 0, 0, 0, 0, 0), new PickleValue.Real(-1.5)),
                Arguments.of("STRING", pickle().op("S'a\\\\b\\'\\x41\\n'\n"), text("a\\b'A\n")),
                Arguments.of("BINSTRING", pickle().op("T").raw(2, 0, 0, 0).op("ab"), text("ab")),
                Arguments.of("SHORT_BINSTRING", pickle().op("U").raw(2).op("ab"), text("ab")),
                Arguments.of(
                        "UNICODE",
                        pickle().op("Va\u00e9\\u4e16\\U0001f600\\n\n"),
                        text("a\u00e9\u4e16\ud83d\ude00\\n")),
                Arguments.of(
                        "BINUNICODE", pickle().text("h\u00e9\u4e16\ud83d\ude00"), text("h\u00e9\u4e16\ud83d\ude00")),
                Arguments.of("SHORT_BINUNICODE", pickle().raw(0x8c, 2).op("ab"), text("ab")),
                Arguments.of("BINUNICODE8", longLength(pickle(), 0x8d, 2).op("ab"), text("ab")),
                Arguments.of("BINBYTES", pickle().op("B").raw(2, 0, 0, 0, 0, 255), bytes(0, 255)),
                Arguments.of("SHORT_BINBYTES", pickle().op("C").raw(2, 0, 255), bytes(0, 255)),
                Arguments.of("BINBYTES8", longLength(pickle(), 0x8e, 2).raw(0, 255), bytes(0, 255)),
                Arguments.of("BYTEARRAY8", longLength(pickle(), 0x96, 2).raw(0, 255), bytes(0, 255)),
                Arguments.of(
                        "bytes of protocol 2",
                        pickle().global("_codecs", "encode")
                                .text("\u0000\u00ff")
                                .text("latin1")
                                .raw(0x86)
                                .op("R"),
                        bytes(0, 255)),
                Arguments.of(
                        "no bytes of protocol 2",
                        pickle().global("__builtin__", "bytes").op(")R"),
                        bytes()),
                Arguments.of("EMPTY_TUPLE", pickle().op(")"), items(Kind.TUPLE)),
                Arguments.of(
                        "TUPLE", pickle().op("(NNt"), items(Kind.TUPLE, PickleValue.None.NONE, PickleValue.None.NONE)),
                Arguments.of("TUPLE1", pickle().op("N").raw(0x85), items(Kind.TUPLE, PickleValue.None.NONE)),
                Arguments.of(
                        "TUPLE3",
                        pickle().op("K").raw(1).op("K").raw(2).op("K").raw(3).raw(0x87),
                        items(Kind.TUPLE, integer("1"), integer("2"), integer("3"))),
                Arguments.of("LIST", pickle().op("(NI1\nl"), items(Kind.LIST, PickleValue.None.NONE, integer("1"))),
                Arguments.of("APPEND", pickle().op("]I1\naI2\na"), items(Kind.LIST, integer("1"), integer("2"))),
                Arguments.of("APPENDS", pickle().op("](I1\nI2\ne"), items(Kind.LIST, integer("1"), integer("2"))),
                Arguments.of("DICT", pickle().op("(I1\nNd"), dict(integer("1"), PickleValue.None.NONE)),
                Arguments.of("SETITEM", pickle().op("}I1\nNs"), dict(integer("1"), PickleValue.None.NONE)),
                Arguments.of(
                        "SETITEMS, the last one of a key counts",
                        pickle().op("}(I1\nNI2\nI3\nI1\nI4\nu"),
                        dict(integer("1"), integer("4"), integer("2"), integer("3"))),
                Arguments.of(
                        "OrderedDict of pairs, as Python 2 wrote it",
                        pickle().global("collections", "OrderedDict").op("((lp0\n(lp1\nI1\naNaatR"),
                        dict(integer("1"), PickleValue.None.NONE)),
                Arguments.of(
                        "OrderedDict by NEWOBJ",
                        pickle().global("collections", "OrderedDict").op(")").raw(0x81),
                        dict()),
                Arguments.of(
                        "OrderedDict by NEWOBJ_EX",
                        pickle().global("collections", "OrderedDict").op(")}").raw(0x92),
                        dict()),
                Arguments.of("OrderedDict by INST", pickle().op("(icollections\nOrderedDict\n"), dict()),
                Arguments.of(
                        "OrderedDict by OBJ",
                        pickle().op("(").global("collections", "OrderedDict").op("o"),
                        dict()),
                Arguments.of(
                        "torch.Size",
                        pickle().global("torch", "Size")
                                .op("(I2\nI3\nt")
                                .raw(0x85)
                                .op("R"),
                        items(Kind.SIZE, integer("2"), integer("3"))),
                Arguments.of("torch.dtype", pickle().global("torch", "int64"), new PickleValue.TypeName("torch.int64")),
                Arguments.of(
                        "STACK_GLOBAL",
                        pickle().text("torch").text("bool").raw(0x93),
                        new PickleValue.TypeName("torch.bool")),
                Arguments.of("PUT and GET", pickle().op("]p7\n0(g7\nt"), items(Kind.TUPLE, items(Kind.LIST))),
                Arguments.of(
                        "BINPUT and BINGET", pickle().op("]q").raw(9).op("0h").raw(9), items(Kind.LIST)),
                Arguments.of(
                        "LONG_BINPUT and LONG_BINGET",
                        pickle().op("]r").raw(0, 0, 0, 0xff).op("0j").raw(0, 0, 0, 0xff),
                        items(Kind.LIST)),
                Arguments.of("MEMOIZE", pickle().op("]").raw(0x94).op("0h").raw(0), items(Kind.LIST)),
                Arguments.of(
                        "DUP",
                        pickle().op("]I1\na2").raw(0x86),
                        items(Kind.TUPLE, items(Kind.LIST, integer("1")), items(Kind.LIST, integer("1")))),
                Arguments.of("POP of a value and of a mark", pickle().op("NN0(0"), PickleValue.None.NONE),
                Arguments.of("POP_MARK", pickle().op("N(I1\nI2\n1"), PickleValue.None.NONE),
                Arguments.of(
                        "FRAME",
                        pickle().raw(0x80, 4, 0x95, 2, 0, 0, 0, 0, 0, 0, 0).op("N"),
                        PickleValue.None.NONE));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("values")
    void everyInstructionBuildsItsValue(String name, PickleBytes pickle, PickleValue expected) throws IOException {
        assertThat(load(pickle.stop())).isEqualTo(expected);
    }

    static Stream<Arguments> refusals() {
        return Stream.of(
                Arguments.of(pickle().global("os", "system"), "names 'os.system'"),
                Arguments.of(pickle().global("posix", "system").op("0N"), "names 'posix.system'"),
                Arguments.of(pickle().text("builtins").text("eval").raw(0x93), "names 'builtins.eval'"),
                Arguments.of(pickle().op("(ios\nsystem\n"), "names 'os.system'"),
                Arguments.of(pickle().global("__builtin__", "getattr"), "names '__builtin__.getattr'"),
                Arguments.of(pickle().global("torch", "load"), "names 'torch.load'"),
                Arguments.of(pickle().global("torch.float32", ""), "names 'torch.float32.'"),
                Arguments.of(pickle().global("torch", "ComplexFloatStorage"), "names 'torch.ComplexFloatStorage'"),
                Arguments.of(pickle().global("evil\u0007\u202e", "x".repeat(500)), "names 'evil??.xxx"),
                Arguments.of(pickle().global("torch", "FloatStorage").op(")R"), "creates a storage without its tensor"),
                Arguments.of(pickle().global("torch", "FloatStorage"), "neither a tensor nor plain data"),
                Arguments.of(pickle().op("N)R"), "calls something that is not a function"),
                Arguments.of(pickle().global("torch", "Size").op("NR"), "arguments of a call are not a tuple"),
                Arguments.of(pickle().global("torch", "Size").op("N").raw(0x85).op("R"), "is not a tuple"),
                Arguments.of(
                        pickle().global("torch", "Size")
                                .text("a")
                                .raw(0x85, 0x85)
                                .op("R"),
                        "is not an integer"),
                Arguments.of(
                        pickle().global("_codecs", "encode")
                                .text("a")
                                .text("rot13")
                                .raw(0x86)
                                .op("R"),
                        "something else than bytes"),
                Arguments.of(
                        pickle().global("builtins", "bytes")
                                .integer(1 << 30)
                                .raw(0x85)
                                .op("R"),
                        "bytes are created"),
                Arguments.of(
                        pickle().global("torch._utils", "_rebuild_tensor_v2").op(")R"), "has 0 arguments"),
                Arguments.of(
                        pickle().global("torch._utils", "_rebuild_tensor_v2").op("(NNNNNNtR"), "tensor has no storage"),
                Arguments.of(
                        pickle().global("torch._utils", "_rebuild_parameter").op("(NNNtR"), "parameter has no tensor"),
                Arguments.of(pickle().op("NQ"), "reference to a storage is not of the known form"),
                Arguments.of(pickle().op("Pabc\n"), "instruction 0x50 has no use"),
                Arguments.of(pickle().storage("FloatStorage", "0", 1), "neither a tensor nor plain data"),
                Arguments.of(pickle().op("NNb"), "sets attributes"),
                Arguments.of(pickle().op("}}b"), "sets attributes"),
                Arguments.of(pickle().op("NNa"), "appends to something"),
                Arguments.of(pickle().op("NNNs"), "not a dictionary"),
                Arguments.of(pickle().op("}(Nu"), "not a dictionary"),
                Arguments.of(pickle().op("}]Ns"), "a key of a dictionary is neither"),
                Arguments.of(pickle().op("})Ns"), "a key of a dictionary is neither"),
                Arguments.of(pickle(), "empty stack"),
                Arguments.of(pickle().op("0"), "empty stack"),
                Arguments.of(pickle().op("N(").raw(0x85), "empty stack"),
                Arguments.of(pickle().op("2"), "empty stack"),
                Arguments.of(pickle().op("Nt"), "a mark that is not there"),
                Arguments.of(pickle().op("h").raw(3), "object 3, which it has not made"),
                Arguments.of(pickle().op("g-1\n"), "object -1, which it has not made"),
                Arguments.of(pickle().raw(0x80, 6), "protocol 6 is newer"),
                Arguments.of(pickle().raw(0x95, 255, 0, 0, 0, 0, 0, 0, 0), "does not fit"),
                Arguments.of(pickle().raw(0x95, 0, 0, 0, 0, 0, 0, 0, 255), "does not fit"),
                Arguments.of(pickle().op("X").raw(255, 255, 255, 255), "4294967295 bytes are needed"),
                Arguments.of(pickle().raw(0x8d, 0, 0, 0, 0, 0, 0, 0, 128), "9223372036854775808 bytes are needed"),
                Arguments.of(pickle().raw(0x8e, 0, 0, 0, 0, 0, 0, 0, 64), "bytes are needed"),
                Arguments.of(pickle().raw(0x8b, 0, 0, 0, 128), "integer of 2147483648 bytes is too large"),
                Arguments.of(pickle().op("I1e9\n"), "is not an integer of reasonable length"),
                Arguments.of(pickle().op("L" + "9".repeat(3000) + "L\n"), "is not an integer of reasonable length"),
                Arguments.of(pickle().op("F0x1p3\n"), "is not a number"),
                Arguments.of(pickle().op("S'abc\n"), "a string has no quotes"),
                Arguments.of(pickle().op("S'\\q'\n"), "unknown escape"),
                Arguments.of(pickle().op("S'\\x4'\n"), "broken escape"),
                Arguments.of(pickle().op("S'\\'\n"), "ends in the middle of an escape"),
                Arguments.of(pickle().op("V\\ud800\n"), "half of a surrogate pair"),
                Arguments.of(pickle().op("V\\Uffffffff\n"), "beyond Unicode"),
                Arguments.of(pickle().op("U").raw(1, 255), "not valid UTF-8"),
                Arguments.of(pickle().raw(0x97), "instruction 0x97 has no use"),
                Arguments.of(pickle().raw(0x82, 1), "instruction 0x82 has no use"),
                Arguments.of(pickle().op("]q").raw(0).op("h").raw(0).op("a"), "a container that contains itself"),
                Arguments.of(pickle().op("}q").raw(0).op("Nh").raw(0).op("s"), "a container that contains itself"),
                Arguments.of(pickle().op("]".repeat(20_000) + "a".repeat(19_999)), "nested more than 100 deep"),
                Arguments.of(pickle().op("N").raw(tuples(20_000)), "nested more than 100 deep"),
                Arguments.of(doubling(40), "has more than 10000000 values"));
    }

    private static byte[] tuples(int n) {
        byte[] bytes = new byte[n];
        Arrays.fill(bytes, (byte) 0x85);
        return bytes;
    }

    /// A list that holds the same list twice, which holds the same list twice, and so on.
    private static PickleBytes doubling(int levels) {
        PickleBytes p = pickle().op("]");
        for (int i = 0; i < levels; i++) {
            p.op("2").raw(0x86);
        }
        return p;
    }

    @ParameterizedTest(name = "{1}")
    @MethodSource("refusals")
    void whatACheckpointDoesNotNeedIsRefused(PickleBytes pickle, String reason) throws IOException {
        Path path = write(pickle.stop());
        assertThatThrownBy(() -> Checkpoint.open(path))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining(reason);
        assertThat(Damage.readEverything(path)).isFalse();
    }

    @Test
    void keysThatCollideInAHashTableDoNotMakeItSlow() throws IOException {
        // every combination of "Aa" and "BB" has the same hash code
        PickleBytes p = pickle().op("}(");
        int n = 1 << 15;
        for (int i = 0; i < n; i++) {
            StringBuilder key = new StringBuilder();
            for (int bit = 0; bit < 15; bit++) {
                key.append((i >> bit & 1) == 0 ? "Aa" : "BB");
            }
            p.text(key.toString()).op("N");
        }
        assertThat(((PickleValue.Dict) load(p.op("u").stop())).entries()).hasSize(n);
    }

    @Test
    void callsCannotMakeMuchOfLittle() throws IOException {
        PickleBytes p = pickle().text("x".repeat(1 << 20))
                .text("latin1")
                .raw(0x86)
                .op("q")
                .raw(0)
                .global("_codecs", "encode")
                .op("q")
                .raw(1);
        for (int i = 0; i < 1000; i++) {
            p.op("h").raw(1).op("h").raw(0).op("R");
        }
        Path path = write(p.stop());
        assertThatThrownBy(() -> Checkpoint.open(path))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining("builds more than 268435456 bytes by calls");
    }

    @Test
    void aPickleHasABoundedNumberOfInstructions() throws IOException {
        Path path = write(pickle().op("N0".repeat(2_600_000)).op("N").stop());
        assertThatThrownBy(() -> Checkpoint.open(path))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining("more than 5000000 instructions");
    }

    @Test
    void aPickleMustComeToItsEnd() throws IOException {
        Path path = write("N".getBytes(StandardCharsets.US_ASCII));
        assertThatThrownBy(() -> Checkpoint.open(path))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining("data.pkl: it ends in the middle: 1 bytes are needed and 0 are left");
    }

    @Test
    void twoTensorsCannotHaveTheSameName() throws IOException {
        byte[] pickle = pickle().op("}(")
                .text("a.b")
                .tensor("ByteStorage", "0", 1, 0, new long[0], new long[0])
                .text("a")
                .op("}")
                .text("b")
                .tensor("ByteStorage", "0", 1, 0, new long[0], new long[0])
                .op("su")
                .stop();
        Path path = Files.write(folder.resolve("file.pt"), ZipBytes.torch(pickle, Map.of("0", new byte[1])));
        assertThatThrownBy(() -> Checkpoint.open(path))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining("two tensors that would both be called 'a.b'");
    }
}
