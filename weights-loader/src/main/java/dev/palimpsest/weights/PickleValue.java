package dev.palimpsest.weights;

import java.math.BigInteger;
import java.util.Arrays;
import java.util.Collections;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// A Python object that a PyTorch file holds: plain data, and tensors as its leaves. Immutable.
///
/// A value never contains itself, and the number of values in a file's tree, as well as its depth, is bounded, so a
/// plain recursive walk is safe.
public sealed interface PickleValue {
    /// Python's `None`.
    enum None implements PickleValue {
        /// The only one.
        NONE;

        @Override
        public String toString() {
            return "None";
        }
    }

    /// `True` or `False`.
    ///
    /// @param value which
    record Bool(boolean value) implements PickleValue {
        @Override
        public String toString() {
            return value ? "True" : "False";
        }
    }

    /// An integer of any size.
    ///
    /// @param value the integer
    record Int(BigInteger value) implements PickleValue, Comparable<Int> {
        /// An integer of at most 64 bits.
        public static Int of(long value) {
            return new Int(BigInteger.valueOf(value));
        }

        @Override
        public int compareTo(Int other) {
            return value.compareTo(other.value);
        }

        @Override
        public String toString() {
            return value.toString();
        }
    }

    /// A floating-point number.
    ///
    /// @param value the number
    record Real(double value) implements PickleValue, Comparable<Real> {
        @Override
        public int compareTo(Real other) {
            return Double.compare(value, other.value);
        }

        @Override
        public String toString() {
            return Double.toString(value);
        }
    }

    /// A string.
    ///
    /// @param value its text
    record Text(String value) implements PickleValue, Comparable<Text> {
        @Override
        public int compareTo(Text other) {
            return value.compareTo(other.value);
        }

        @Override
        public String toString() {
            return value;
        }
    }

    /// A string of bytes.
    final class Bytes implements PickleValue, Comparable<Bytes> {
        private final byte[] value;

        Bytes(byte[] value) {
            this.value = value.clone();
        }

        /// A copy of the bytes.
        public byte[] toArray() {
            return value.clone();
        }

        @Override
        public int compareTo(Bytes other) {
            return Arrays.compare(value, other.value);
        }

        @Override
        public boolean equals(Object o) {
            return o instanceof Bytes b && Arrays.equals(value, b.value);
        }

        @Override
        public int hashCode() {
            return Arrays.hashCode(value);
        }

        @Override
        public String toString() {
            return "bytes " + HexFormat.of().formatHex(value);
        }
    }

    /// A `list`, `tuple` or `torch.Size`.
    ///
    /// @param kind which of them
    /// @param items its elements
    record Sequence(Kind kind, List<PickleValue> items) implements PickleValue {
        /// What Python calls it.
        public enum Kind {
            /// `list`
            LIST,
            /// `tuple`
            TUPLE,
            /// `torch.Size`, whose items are all [Int]
            SIZE
        }

        /// Copies the list.
        public Sequence {
            items = List.copyOf(items);
        }
    }

    /// A `dict` or `OrderedDict`, in its order. Keys are numbers, text, bytes, booleans or `None`.
    ///
    /// @param entries values by key
    record Dict(Map<PickleValue, PickleValue> entries) implements PickleValue {
        /// Copies the map.
        public Dict {
            entries = Collections.unmodifiableMap(new LinkedHashMap<>(entries));
        }
    }

    /// A `torch.dtype` as a value.
    ///
    /// @param name with its module: `torch.bfloat16`
    record TypeName(String name) implements PickleValue {
        @Override
        public String toString() {
            return name;
        }
    }

    /// A tensor; [TorchFile#tensor(Tensor)] gives its elements. Two of them are equal if they are the same object.
    final class Tensor implements PickleValue {
        private final TensorInfo info;
        private final TorchStorage.Key storage;
        private final long offset;
        private final long[] strides;

        /// @param offset of the first element in the storage, in elements
        /// @param strides in elements
        Tensor(TensorInfo info, TorchStorage.Key storage, long offset, long[] strides) {
            this.info = info;
            this.storage = storage;
            this.offset = offset;
            this.strides = strides.clone();
        }

        /// Type and shape.
        public TensorInfo info() {
            return info;
        }

        TorchStorage.Key storage() {
            return storage;
        }

        long offset() {
            return offset;
        }

        long[] strides() {
            return strides.clone();
        }

        @Override
        public String toString() {
            return "tensor " + info;
        }
    }
}
