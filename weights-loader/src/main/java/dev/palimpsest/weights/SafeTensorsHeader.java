package dev.palimpsest.weights;

import dev.palimpsest.kernels.DType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;

/// The header of a safetensors file: 8 bytes of length, then JSON that maps every name to its type, shape and range of
/// bytes.
///
/// As in the reference implementation, the ranges must cover what follows the header exactly: no hole, no overlap,
/// nothing left over. So a file has one reading only.
///
/// @param entries by name, in the order of the header
/// @param metadata free text under `__metadata__`
record SafeTensorsHeader(Map<String, Entry> entries, Map<String, String> metadata) {
    /// Where the header's length ends and its text begins.
    static final int LENGTH_BYTES = 8;

    /// The format's own limit for the header.
    static final long LONGEST = 100_000_000;

    /// The name that is no tensor.
    static final String METADATA = "__metadata__";

    /// A tensor and its range of bytes, counted from the beginning of the file.
    record Entry(TensorInfo info, long begin, long end) {}

    /// Whether a file, whatever its name, is likely meant as a safetensors file: a sensible length, then an opening
    /// brace.
    static boolean isLikely(MappedFile file) {
        if (file.size() < LENGTH_BYTES + 2) {
            return false;
        }
        long length = file.i64(0);
        if (length < 2 || length > LONGEST) {
            return false;
        }
        long at = LENGTH_BYTES;
        long limit = Math.min(file.size(), at + 64) - 1;
        while (at < limit && Character.isWhitespace(file.u8(at))) {
            at++;
        }
        return file.u8(at) == '{';
    }

    /// Reads and checks the header.
    ///
    /// @throws CheckpointException if anything about it is wrong
    static SafeTensorsHeader read(MappedFile file) {
        if (file.size() < LENGTH_BYTES) {
            throw file.broken(-1, "has " + file.size() + " bytes, too few for a safetensors file");
        }
        long length = file.i64(0);
        if (length < 0 || length > LONGEST) {
            throw file.broken(
                    0,
                    "the header claims " + Long.toUnsignedString(length) + " bytes, more than the allowed " + LONGEST);
        }
        if (length > file.size() - LENGTH_BYTES) {
            throw file.broken(
                    0, "the header claims " + length + " bytes, but only " + (file.size() - LENGTH_BYTES) + " follow");
        }
        Reader reader = new Reader(file, LENGTH_BYTES + length);
        try (JsonParser json = Json.parser(file.slice(LENGTH_BYTES, length))) {
            reader.header(json);
        } catch (JacksonException e) {
            long at = e.getLocation() == null ? -1 : e.getLocation().getCharOffset();
            throw file.broken(
                    at < 0 ? LENGTH_BYTES : LENGTH_BYTES + at, "the header is not valid JSON: " + Json.message(e), e);
        }
        checkCoverage(file, LENGTH_BYTES + length, reader.entries);
        return new SafeTensorsHeader(
                Collections.unmodifiableMap(reader.entries), Collections.unmodifiableMap(reader.metadata));
    }

    private static void checkCoverage(MappedFile file, long dataBegin, Map<String, Entry> entries) {
        List<Map.Entry<String, Entry>> byPlace = new ArrayList<>(entries.entrySet());
        byPlace.sort(Comparator.comparingLong(
                        (Map.Entry<String, Entry> e) -> e.getValue().begin())
                .thenComparingLong(e -> e.getValue().end()));
        long at = dataBegin;
        for (Map.Entry<String, Entry> e : byPlace) {
            long begin = e.getValue().begin();
            if (begin != at) {
                String name = CheckpointException.quote(e.getKey());
                throw file.broken(
                        Math.min(at, begin),
                        begin < at
                                ? "tensor " + name + " overlaps the one before it"
                                : "no tensor covers the " + (begin - at) + " bytes before tensor " + name);
            }
            at = e.getValue().end();
        }
        if (at != file.size()) {
            throw file.broken(at, "no tensor covers the last " + (file.size() - at) + " bytes");
        }
    }

    /// The element type that a safetensors header calls by this name, or null.
    static @Nullable DType dtype(String name) {
        // The format's names are the constants' names, but the set is the format's.
        return Arrays.stream(DType.values())
                .filter(t -> t.name().equals(name))
                .findFirst()
                .orElse(null);
    }

    /// Walks the JSON; every fault names the tensor.
    private static final class Reader {
        private final MappedFile file;
        private final long dataBegin;
        final Map<String, Entry> entries = new LinkedHashMap<>();
        final Map<String, String> metadata = new LinkedHashMap<>();

        Reader(MappedFile file, long dataBegin) {
            this.file = file;
            this.dataBegin = dataBegin;
        }

        void header(JsonParser json) {
            if (json.nextToken() != JsonToken.START_OBJECT) {
                throw fault("the header is not a JSON object");
            }
            boolean metadataSeen = false;
            for (String name = json.nextName(); name != null; name = json.nextName()) {
                if (name.equals(METADATA)) {
                    if (metadataSeen) {
                        throw fault("the header has " + METADATA + " twice");
                    }
                    metadataSeen = true;
                    metadata(json);
                } else if (entries.put(name, entry(json, name)) != null) {
                    throw fault("tensor " + CheckpointException.quote(name) + " is listed twice");
                }
            }
            if (json.nextToken() != null) {
                throw fault("the header goes on after its JSON object");
            }
        }

        private void metadata(JsonParser json) {
            if (json.nextToken() != JsonToken.START_OBJECT) {
                throw fault(METADATA + " is not a JSON object");
            }
            for (String key = json.nextName(); key != null; key = json.nextName()) {
                if (json.nextToken() != JsonToken.VALUE_STRING) {
                    throw fault("metadata " + CheckpointException.quote(key) + " is not a string");
                }
                if (metadata.put(key, json.getString()) != null) {
                    throw fault("metadata " + CheckpointException.quote(key) + " is listed twice");
                }
            }
        }

        private Entry entry(JsonParser json, String name) {
            String what = "tensor " + CheckpointException.quote(name);
            if (json.nextToken() != JsonToken.START_OBJECT) {
                throw fault(what + " is not described by a JSON object");
            }
            DType dtype = null;
            long[] shape = null;
            long[] offsets = null;
            for (String key = json.nextName(); key != null; key = json.nextName()) {
                JsonToken token = json.nextToken();
                boolean repeated = switch (key) {
                    case "dtype" -> dtype != null;
                    case "shape" -> shape != null;
                    case "data_offsets" -> offsets != null;
                    default -> false;
                };
                if (repeated) {
                    throw fault(what + " has " + key + " twice");
                }
                switch (key) {
                    case "dtype" -> dtype = dtype(json, what);
                    case "shape" -> shape = integers(json, what, key, TensorInfo.MAX_RANK);
                    case "data_offsets" -> offsets = integers(json, what, key, 2);
                    default -> {
                        if (token != null && token.isStructStart()) {
                            json.skipChildren();
                        }
                    }
                }
            }
            if (dtype == null || shape == null || offsets == null) {
                throw fault(what + " lacks " + (dtype == null ? "dtype" : shape == null ? "shape" : "data_offsets"));
            }
            return entry(what, dtype, shape, offsets);
        }

        private Entry entry(String what, DType dtype, long[] shape, long[] offsets) {
            String wrong = TensorInfo.fault(dtype, shape);
            if (wrong != null) {
                throw fault(what + " " + wrong);
            }
            TensorInfo info = new TensorInfo(dtype, TensorInfo.shape(shape));
            long available = file.size() - dataBegin;
            if (offsets.length != 2 || offsets[0] < 0 || offsets[1] < offsets[0]) {
                throw fault(what + " has data_offsets " + Arrays.toString(offsets) + ", which are not a range");
            }
            if (offsets[1] > available) {
                throw fault(what + " ends at byte " + offsets[1] + " of the data, which has only " + available);
            }
            if (offsets[1] - offsets[0] != info.bytes()) {
                throw fault(what + " of " + info + " takes " + info.bytes() + " bytes, but its data_offsets span "
                        + (offsets[1] - offsets[0]));
            }
            return new Entry(info, dataBegin + offsets[0], dataBegin + offsets[1]);
        }

        private DType dtype(JsonParser json, String what) {
            if (json.currentToken() != JsonToken.VALUE_STRING) {
                throw fault(what + " has a dtype that is not a string");
            }
            DType dtype = SafeTensorsHeader.dtype(json.getString());
            if (dtype == null) {
                throw fault(what + " has the unknown dtype " + CheckpointException.quote(json.getString()));
            }
            return dtype;
        }

        private long[] integers(JsonParser json, String what, String key, int most) {
            if (json.currentToken() != JsonToken.START_ARRAY) {
                throw fault(what + " has a " + key + " that is not an array");
            }
            long[] values = new long[most];
            int n = 0;
            while (json.nextToken() == JsonToken.VALUE_NUMBER_INT) {
                if (n == most) {
                    throw fault(what + " has a " + key + " of more than " + most + " numbers");
                }
                // "-0" is the one negative number that getLongValue cannot tell
                if (json.getString().startsWith("-")) {
                    throw fault(what + " has the negative number " + CheckpointException.printable(json.getString(), 24)
                            + " in its " + key);
                }
                values[n++] = json.getLongValue();
            }
            if (json.currentToken() != JsonToken.END_ARRAY) {
                throw fault(what + " has something else than integers in its " + key);
            }
            return Arrays.copyOf(values, n);
        }

        private CheckpointException fault(String reason) {
            return file.broken(-1, reason);
        }
    }
}
