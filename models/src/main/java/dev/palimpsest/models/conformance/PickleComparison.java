package dev.palimpsest.models.conformance;

import dev.palimpsest.models.json.JsonException;
import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.weights.Checkpoint;
import dev.palimpsest.weights.PickleValue;
import dev.palimpsest.weights.PickleValue.Sequence.Kind;
import dev.palimpsest.weights.TorchFile;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/// Compares everything that a PyTorch file holds with a description in JSON.
///
/// JSON's own values stand for Python's. What JSON does not have is an object with one field: `$dict` (a list of pairs
/// of key and value), `$list`, `$tuple`, `$size`, `$int` (digits), `$float` (`inf`, `-inf`, `nan`), `$dtype`, `$bytes`
/// (Base64) and `$tensor`, the name that the tensor has in the file of expected tensors.
final class PickleComparison {
    private final TorchFile actual;
    private final @Nullable Checkpoint tensors;
    private final Set<String> unseen = new TreeSet<>();
    private final List<String> problems = new ArrayList<>();

    /// @param tensors the expected tensors, null if nothing is known of them
    PickleComparison(TorchFile actual, @Nullable Checkpoint tensors) {
        this.actual = actual;
        this.tensors = tensors;
        if (tensors != null) {
            unseen.addAll(tensors.names());
        }
    }

    void compare(@Nullable Object expected, List<String> to) {
        compare("", expected, actual.root());
        unseen.forEach(name -> problems.add("lacks the tensor " + name));
        to.addAll(problems);
    }

    private void compare(String path, @Nullable Object expected, PickleValue found) {
        boolean same = switch (expected) {
            case null -> found == PickleValue.None.NONE;
            case Boolean b -> found.equals(new PickleValue.Bool(b));
            case Long n -> found.equals(PickleValue.Int.of(n));
            case Double x -> found.equals(new PickleValue.Real(x));
            case String text -> found.equals(new PickleValue.Text(text));
            case JsonObject object
            when object.names().size() == 1 -> {
                compareTagged(path, object, found);
                yield true;
            }
            default -> throw new JsonException("structure at '" + path + "': cannot be told what it means", null);
        };
        if (!same) {
            differ(path, expected, found);
        }
    }

    private void compareTagged(String path, JsonObject expected, PickleValue found) {
        String tag = expected.names().iterator().next();
        switch (tag) {
            case "$dict" -> compareDict(path, expected.list(tag), found);
            case "$list" -> compareSequence(path, expected.list(tag), found, Kind.LIST);
            case "$tuple" -> compareSequence(path, expected.list(tag), found, Kind.TUPLE);
            case "$size" -> compareSequence(path, expected.list(tag), found, Kind.SIZE);
            case "$tensor" -> compareTensor(path, expected.text(tag), found);
            default -> {
                if (!isSame(tag, expected.text(tag), found)) {
                    differ(path, expected, found);
                }
            }
        }
    }

    private static boolean isSame(String tag, String text, PickleValue found) {
        return switch (tag) {
            case "$int" -> found.equals(new PickleValue.Int(new BigInteger(text)));
            case "$dtype" -> found.equals(new PickleValue.TypeName(text));
            case "$bytes" ->
                found instanceof PickleValue.Bytes bytes
                        && Arrays.equals(bytes.toArray(), Base64.getDecoder().decode(text));
            case "$float" -> found.equals(new PickleValue.Real(StoredNumbers.parse(text)));
            default -> throw new JsonException("structure: has the unknown mark " + tag, null);
        };
    }

    private void compareDict(String path, List<?> expected, PickleValue found) {
        if (!(found instanceof PickleValue.Dict dict) || dict.entries().size() != expected.size()) {
            differ(path, "a dictionary of " + expected.size() + " entries", found);
            return;
        }
        int i = 0;
        for (Map.Entry<PickleValue, PickleValue> entry : dict.entries().entrySet()) {
            if (!(expected.get(i++) instanceof List<?> pair) || pair.size() != 2) {
                throw new JsonException("structure at '" + path + "': an entry is not a pair", null);
            }
            compare(path + ", key", pair.get(0), entry.getKey());
            compare(path + "/" + entry.getKey(), pair.get(1), entry.getValue());
        }
    }

    private void compareSequence(String path, List<?> expected, PickleValue found, Kind kind) {
        if (!(found instanceof PickleValue.Sequence sequence)
                || sequence.kind() != kind
                || sequence.items().size() != expected.size()) {
            differ(path, "a " + kind + " of " + expected.size() + " items", found);
            return;
        }
        for (int i = 0; i < expected.size(); i++) {
            compare(path + "/" + i, expected.get(i), sequence.items().get(i));
        }
    }

    private void compareTensor(String path, String name, PickleValue found) {
        unseen.remove(name);
        if (!(found instanceof PickleValue.Tensor tensor)) {
            differ(path, "a tensor", found);
        } else if (tensors != null) {
            StoredNumbers.difference(actual.tensor(tensor), tensors.tensor(name))
                    .ifPresent(d -> problems.add(path + " " + d));
        }
    }

    private void differ(String path, @Nullable Object expected, PickleValue found) {
        problems.add("'" + path + "' is " + found + " instead of " + expected);
    }
}
