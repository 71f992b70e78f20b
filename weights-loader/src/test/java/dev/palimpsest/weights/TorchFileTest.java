package dev.palimpsest.weights;

import static dev.palimpsest.weights.SafeTensorsBytes.floats;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Shape;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class TorchFileTest {
    private static final byte[] SIX = floats(1, 2, 3, 4, 5, 6);

    @TempDir
    Path folder;

    private Path write(byte[] bytes) throws IOException {
        return Files.write(folder.resolve("file.pth"), bytes);
    }

    private TorchFile open(byte[] bytes) throws IOException {
        return (TorchFile) Checkpoint.open(write(bytes));
    }

    private static byte[] sixFloats() {
        return PickleBytes.stateDict("w", "FloatStorage", "0", 6, 0, longs(2, 3), longs(3, 1));
    }

    private static long[] longs(long... values) {
        return values;
    }

    /// Two tensors on one storage, an OrderedDict with the attribute that a module's state dict has, a parameter.
    private static byte[] stateDict() {
        return PickleBytes.protocol2()
                .global("collections", "OrderedDict")
                .op(")R(")
                .text("rows")
                .tensor("FloatStorage", "0", 6, 0, longs(2, 3), longs(3, 1))
                .text("column")
                .tensor("FloatStorage", "0", 6, 1, longs(2), longs(3))
                .text("flipped")
                .tensor("FloatStorage", "0", 6, 0, longs(3, 2), longs(1, 3))
                .text("param")
                .global("torch._utils", "_rebuild_parameter")
                .op("(")
                .tensor("LongStorage", "1", 1, 0, longs(), longs())
                .raw(0x88)
                .global("collections", "OrderedDict")
                .op(")RtR")
                .text("none")
                .tensor("HalfStorage", "2", 0, 0, longs(3, 0), longs(1, 1))
                .op("u}")
                .text("_metadata")
                .op("}sb")
                .stop();
    }

    private static Map<String, byte[]> stateDictStorages() {
        Map<String, byte[]> storages = new LinkedHashMap<>();
        storages.put("0", SIX);
        storages.put("1", new byte[] {7, 0, 0, 0, 0, 0, 0, (byte) 0x80});
        storages.put("2", new byte[0]);
        return storages;
    }

    private static Stream<Arguments> archives() {
        return Stream.<Map.Entry<String, UnaryOperator<ZipBytes>>>of(
                        Map.entry("plain", z -> z),
                        Map.entry("aligned", z -> z.aligned(64)),
                        Map.entry("sizes behind the data", ZipBytes::sizesFollow),
                        Map.entry("64-bit", z -> z.wide().sizesFollow().aligned(64)),
                        Map.entry("deflated", ZipBytes::deflating))
                .map(e -> Arguments.of(
                        e.getKey(),
                        e.getValue()
                                .apply(new ZipBytes())
                                .torchRecords(stateDict(), stateDictStorages())
                                .build()));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("archives")
    void aStateDictLoadsToTheBit(String kind, byte[] archive) throws IOException {
        try (TorchFile c = open(archive)) {
            assertThat(c.names()).containsExactly("rows", "column", "flipped", "param", "none");
            assertThat(Bits.of(c.tensor("rows"))).isEqualTo(SIX);
            assertThat(Bits.of(c.tensor("column"))).isEqualTo(floats(2, 5));
            assertThat(Bits.of(c.tensor("flipped"))).isEqualTo(floats(1, 4, 2, 5, 3, 6));
            assertThat(c.info("param")).isEqualTo(new TensorInfo(DType.I64, Shape.scalar()));
            assertThat(c.tensor("param").getLong()).isEqualTo(0x8000000000000007L);
            assertThat(c.info("none")).isEqualTo(new TensorInfo(DType.F16, Shape.of(3, 0)));
            assertThat(c.tensor("none").elements()).isZero();
            c.verify();
        }
    }

    @Test
    void storedTensorsAreTheFileItselfAndShareTheirStorage() throws IOException {
        try (TorchFile c = open(ZipBytes.torch(stateDict(), stateDictStorages()))) {
            NdArray rows = c.tensor("rows");
            assertThat(rows.memory().isReadOnly()).isTrue();
            byte[] file = Files.readAllBytes(c.path());
            file[indexOf(file, SIX) + 3] |= (byte) 0x80;
            Files.write(c.path(), file, StandardOpenOption.WRITE);
            assertThat(rows.get(0, 0))
                    .as("a view sees what happens to the file")
                    .isEqualTo(-1);
            assertThat(c.tensor("flipped").memory().address())
                    .isEqualTo(rows.memory().address());
            assertThat(c.tensor("flipped").strides()).containsExactly(1, 3);
        }
    }

    @Test
    void unpackedRecordsAreReadOnlyAndUnpackedOnce() throws IOException {
        byte[] archive = new ZipBytes()
                .deflating()
                .torchRecords(stateDict(), stateDictStorages())
                .build();
        try (TorchFile c = open(archive)) {
            NdArray rows = c.tensor("rows");
            assertThat(rows.memory().isReadOnly()).isTrue();
            assertThat(c.tensor("column").memory().address())
                    .isEqualTo(rows.memory().address());
        }
    }

    @Test
    void afterCloseNothingCanBeRead() throws IOException {
        TorchFile c = open(ZipBytes.torch(sixFloats(), Map.of("0", SIX)));
        NdArray w = c.tensor("w");
        c.close();
        c.close();
        assertThatThrownBy(() -> c.tensor("w")).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> w.get(0, 0)).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(c::verify).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void nestedTensorsAreCalledByThePathToThem() throws IOException {
        byte[] pickle = PickleBytes.protocol2()
                .op("}(")
                .text("trainer")
                .op("}")
                .text("gpt")
                .op("}")
                .text("w.x")
                .tensor("FloatStorage", "0", 6, 0, longs(6), longs(1))
                .op("ss")
                .text("state")
                .op("}")
                .integer(-3)
                .op("](")
                .tensor("FloatStorage", "0", 6, 2, longs(1), longs(1))
                .op("N")
                .op("es")
                .text("epoch")
                .integer(12)
                .op("u")
                .stop();
        try (TorchFile c = open(ZipBytes.torch(pickle, Map.of("0", SIX)))) {
            assertThat(c.names()).containsExactly("trainer.gpt.w.x", "state.-3.0");
            assertThat(c.tensor("state.-3.0").get(0)).isEqualTo(3);
            PickleValue.Dict root = (PickleValue.Dict) c.root();
            assertThat(root.entries().get(new PickleValue.Text("epoch"))).isEqualTo(PickleValue.Int.of(12));
            PickleValue.Dict state =
                    (PickleValue.Dict) Objects.requireNonNull(root.entries().get(new PickleValue.Text("state")));
            PickleValue.Sequence list = (PickleValue.Sequence)
                    Objects.requireNonNull(state.entries().get(PickleValue.Int.of(-3)));
            assertThat(list.items().get(1)).isEqualTo(PickleValue.None.NONE);
            PickleValue.Tensor tensor = (PickleValue.Tensor) list.items().getFirst();
            assertThat(c.tensor(tensor).get(0)).isEqualTo(3);
            try (TorchFile other = (TorchFile) Checkpoint.open(
                    Files.write(folder.resolve("other.pth"), ZipBytes.torch(sixFloats(), Map.of("0", SIX))))) {
                assertThatThrownBy(() -> other.tensor(tensor)).isInstanceOf(IllegalArgumentException.class);
            }
        }
    }

    @Test
    void aFileMayHoldNothingButATensor() throws IOException {
        byte[] pickle = PickleBytes.protocol2()
                .tensor("ByteStorage", "0", 2, 0, longs(2), longs(1))
                .stop();
        try (TorchFile c = open(ZipBytes.torch(pickle, Map.of("0", new byte[] {1, (byte) 200})))) {
            assertThat(c.names()).containsExactly("tensor");
            assertThat(c.tensor("tensor").getLong(1)).isEqualTo(200);
        }
    }

    @Test
    void everyStorageTypeIsKnown() throws IOException {
        Map<String, DType> types = new LinkedHashMap<>();
        types.put("FloatStorage", DType.F32);
        types.put("DoubleStorage", DType.F64);
        types.put("HalfStorage", DType.F16);
        types.put("BFloat16Storage", DType.BF16);
        types.put("LongStorage", DType.I64);
        types.put("IntStorage", DType.I32);
        types.put("ShortStorage", DType.I16);
        types.put("CharStorage", DType.I8);
        types.put("ByteStorage", DType.U8);
        types.put("BoolStorage", DType.BOOL);
        PickleBytes pickle = PickleBytes.protocol2().op("}");
        Map<String, byte[]> storages = new LinkedHashMap<>();
        types.forEach((type, dtype) -> {
            pickle.text(dtype.label())
                    .tensor(type, dtype.label(), 1, 0, longs(1), longs(1))
                    .op("s");
            byte[] one = new byte[dtype.bytes()];
            one[0] = 1;
            storages.put(dtype.label(), one);
        });
        try (TorchFile c = open(ZipBytes.torch(pickle.stop(), storages))) {
            types.forEach((type, dtype) -> {
                assertThat(c.info(dtype.label()).dtype()).isEqualTo(dtype);
                assertThat(Bits.of(c.tensor(dtype.label()))).isEqualTo(storages.get(dtype.label()));
            });
        }
    }

    @Test
    void untypedStoragesGetTheirTypeFromTheTensor() throws IOException {
        byte[] pickle = PickleBytes.protocol2()
                .op("}")
                .text("codes")
                .global("torch._utils", "_rebuild_tensor_v3")
                .op("((")
                .text("storage")
                .global("torch.storage", "UntypedStorage")
                .text("0")
                .text("cpu")
                .integer(8)
                .op("tQ")
                .integer(1)
                .tuple(3)
                .tuple(1)
                .raw(0x89)
                .global("collections", "OrderedDict")
                .op(")R")
                .global("torch", "uint16")
                .op("tRs")
                .stop();
        byte[] bytes = {1, 0, 2, 0, 3, 0, (byte) 0xff, (byte) 0xff};
        try (TorchFile c = open(ZipBytes.torch(pickle, Map.of("0", bytes)))) {
            assertThat(c.info("codes")).isEqualTo(new TensorInfo(DType.U16, Shape.of(3)));
            assertThat(c.tensor("codes").getLong(2)).isEqualTo(65535);
        }
    }

    static Stream<Arguments> brokenTensors() {
        return Stream.of(
                tensor("0", 6, 0, longs(3, 3), longs(3, 1), "reaches element 8, but the storage has only 6"),
                tensor("0", 6, 1, longs(2, 3), longs(3, 1), "reaches element 6, but the storage has only 6"),
                tensor("0", 6, 7, longs(0), longs(1), "begins at element 7 of 6"),
                tensor("0", 6, -1, longs(2), longs(1), "begins at element -1 of 6"),
                tensor("0", 6, 0, longs(2), longs(-1), "negative stride -1"),
                tensor("0", 6, 0, longs(-2), longs(1), "negative extent -2"),
                tensor("0", 6, 0, longs(2, 3), longs(1), "has 1 strides"),
                tensor("0", 6, 0, longs(2), longs(Long.MAX_VALUE), "strides too large to count"),
                tensor("0", 6, 0, longs(1L << 31), longs(0), "has the extent 2147483648"),
                tensor("0", 6, 0, longs(1 << 30, 1 << 30, 1 << 30), longs(0, 0, 0), "product exceeds 63 bits"),
                tensor("0", 6, 0, longs(1 << 20, 1 << 20), longs(0, 0), "more often than makes sense"),
                tensor("0", 6, 0, new long[65], new long[65], "more than 64 items"),
                tensor("0", 7, 0, longs(2), longs(1), "has 24 bytes, but its storage of 7 f32 elements needs 28"),
                tensor("0", Integer.MAX_VALUE, 0, longs(2), longs(1), "has 24 bytes, but its storage"),
                tensor("0", 1L << 62, 0, longs(2), longs(1), "more than 63 bits can count"),
                tensor("0", -6, 0, longs(0), longs(1), "negative length -6"),
                tensor("1", 6, 0, longs(2), longs(1), "lacks the zip record 'archive/data/1'"),
                tensor("../0", 6, 0, longs(2), longs(1), "storage key '../0' is not a plain name"),
                tensor("", 6, 0, longs(2), longs(1), "storage key '' is not a plain name"));
    }

    private static Arguments tensor(String key, long elements, long offset, long[] size, long[] stride, String reason) {
        return Arguments.of(reason, PickleBytes.stateDict("w", "FloatStorage", key, elements, offset, size, stride));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("brokenTensors")
    void aTensorThatDoesNotFitItsStorageIsRefused(String reason, byte[] pickle) throws IOException {
        Path path = write(ZipBytes.torch(pickle, Map.of("0", SIX)));
        assertThatThrownBy(() -> Checkpoint.open(path))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining(reason)
                .hasMessageStartingWith(path.toString());
        assertThat(Damage.readEverything(path)).isFalse();
    }

    @Test
    void anErrorInThePickleNamesItsPlaceInTheFile() throws IOException {
        byte[] pickle = PickleBytes.protocol2().global("os", "system").stop();
        Path path = write(ZipBytes.torch(pickle, Map.of()));
        long begin = 30L + "archive/data.pkl".length();
        assertThatThrownBy(() -> Checkpoint.open(path)).isInstanceOfSatisfying(CheckpointException.class, e -> {
            assertThat(e.path()).isEqualTo(path);
            assertThat(e.offset()).hasValue(begin + 2);
            assertThat(e.reason())
                    .isEqualTo("data.pkl: the pickle names 'os.system', which is not one of the few"
                            + " constructors that a checkpoint needs; nothing was executed");
        });
    }

    @Test
    void damagedDataIsFoundWhenItIsFirstUsed() throws IOException {
        byte[] archive = ZipBytes.torch(sixFloats(), Map.of("0", SIX));
        int at = indexOf(archive, SIX);
        archive[at] ^= 1;
        try (TorchFile c = open(archive)) {
            assertThatThrownBy(() -> c.tensor("w"))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageContaining("zip record 'archive/data/0' is damaged: its CRC-32 is")
                    .hasMessageContaining("byte " + at);
            assertThatThrownBy(c::verify).isInstanceOf(CheckpointException.class);
        }
    }

    @Test
    void aChecksumOfZeroStandsForNone() throws IOException {
        byte[] archive = new ZipBytes()
                .add("archive/data.pkl", sixFloats())
                .add("archive/data/0", SIX, 0, 0)
                .build();
        try (TorchFile c = open(archive)) {
            assertThat(Bits.of(c.tensor("w"))).isEqualTo(SIX);
        }
    }

    @Test
    void otherByteOrdersAreRefused() throws IOException {
        for (String order : List.of("big", "little")) {
            byte[] archive = new ZipBytes()
                    .torchRecords(sixFloats(), Map.of("0", SIX))
                    .add("archive/byteorder", order.getBytes(StandardCharsets.US_ASCII))
                    .build();
            assertThat(Damage.readEverything(write(archive))).isEqualTo(order.equals("little"));
        }
    }

    @Test
    void aZipArchiveOfSomethingElseIsExplained() throws IOException {
        Path path = write(new ZipBytes().add("word/document.xml", new byte[10]).build());
        assertThatThrownBy(() -> Checkpoint.open(path))
                .isInstanceOf(CheckpointException.class)
                .hasMessage(path + ": is a zip archive without data.pkl, so it is not a PyTorch file");
        Path two = write(new ZipBytes()
                .add("a/data.pkl", sixFloats())
                .add("b/data.pkl", sixFloats())
                .build());
        assertThatThrownBy(() -> Checkpoint.open(two)).hasMessageContaining("several files data.pkl");
    }

    /// The format of PyTorch 1.5 and older.
    static byte[] legacy() {
        byte[] magic = {
            (byte) 0x80,
            2,
            (byte) 0x8a,
            10,
            0x6c,
            (byte) 0xfc,
            (byte) 0x9c,
            0x46,
            (byte) 0xf9,
            0x20,
            0x6a,
            (byte) 0xa8,
            0x50,
            0x19,
            '.'
        };
        var out = new ByteArrayOutputStream();
        out.writeBytes(magic);
        out.writeBytes(PickleBytes.protocol2().integer(1001).stop());
        out.writeBytes(PickleBytes.protocol2()
                .op("}")
                .text("little_endian")
                .raw(0x88)
                .op("s")
                .stop());
        out.writeBytes(PickleBytes.stateDict("w", "FloatStorage", "93824992", 6, 1, longs(2), longs(3)));
        out.writeBytes(PickleBytes.protocol2().op("]").text("93824992").op("a").stop());
        out.writeBytes(
                ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(6).array());
        out.writeBytes(SIX);
        return out.toByteArray();
    }

    @Test
    void legacyFilesAreMappedToo() throws IOException {
        try (TorchFile c = open(legacy())) {
            assertThat(Bits.of(c.tensor("w"))).isEqualTo(floats(2, 5));
            Damage.overwriteLast(c.path(), (byte) 0xc0);
            assertThat(c.tensor("w").memory().get(ValueLayout.JAVA_BYTE, SIX.length - 1))
                    .isEqualTo((byte) 0xc0);
            c.verify();
        }
    }

    @Test
    void everyTruncationIsRefused() throws IOException {
        for (byte[] whole : List.of(
                legacy(),
                ZipBytes.torch(sixFloats(), Map.of("0", SIX)),
                new ZipBytes()
                        .wide()
                        .torchRecords(sixFloats(), Map.of("0", SIX))
                        .build())) {
            for (int length = 0; length < whole.length; length++) {
                assertThat(Damage.readEverything(write(Arrays.copyOf(whole, length))))
                        .as("%d of %d bytes", length, whole.length)
                        .isFalse();
            }
        }
    }

    @Test
    void randomDamageGivesEitherAReadableFileOrACheckpointException() throws IOException {
        Path path = folder.resolve("damaged.pth");
        assertThat(Damage.refusals(path, legacy(), 400, 1)).isBetween(100, 399);
        for (Arguments archive : archives().toList()) {
            assertThat(Damage.refusals(path, (byte[]) archive.get()[1], 400, 2)).isBetween(100, 399);
        }
    }

    @Test
    void randomDamageToThePickleAloneIsFoundWithoutChecksums() throws IOException {
        // through the checksums the archive would refuse nearly all damage before the machine sees it
        Random random = new Random(3);
        int refused = 0;
        for (int i = 0; i < 1500; i++) {
            byte[] pickle = stateDict();
            for (int n = 1 + random.nextInt(3); n > 0; n--) {
                pickle[random.nextInt(pickle.length)] = (byte) random.nextInt(256);
            }
            byte[] archive = ZipBytes.torch(pickle, stateDictStorages());
            refused += Damage.readEverything(write(archive)) ? 0 : 1;
        }
        assertThat(refused).isBetween(700, 1499);
    }

    static int indexOf(byte[] bytes, byte[] part) {
        for (int i = 0; i + part.length <= bytes.length; i++) {
            if (Arrays.equals(bytes, i, i + part.length, part, 0, part.length)) {
                return i;
            }
        }
        throw new AssertionError("not found");
    }
}
