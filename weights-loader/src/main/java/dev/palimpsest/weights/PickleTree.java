package dev.palimpsest.weights;

import dev.palimpsest.weights.PickleNode.DictNode;
import dev.palimpsest.weights.PickleNode.ListNode;
import dev.palimpsest.weights.PickleNode.TupleNode;
import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// Turns what a pickle built into immutable values, and gives every tensor its dotted name.
///
/// A pickle can let containers contain themselves, or share one so often that walking it takes forever. Such files are
/// refused here: depth, number of values as a walk sees them, and the total length of names are bounded.
final class PickleTree {
    private static final int DEEPEST = 100;
    private static final long MOST_VALUES = 10_000_000;
    private static final int LONGEST_NAME = 4096;
    private static final long LONGEST_NAMES = 100_000_000;

    /// The name of a tensor that is not in any container.
    static final String LONE_TENSOR = "tensor";

    private final MappedFile file;
    private final IdentityHashMap<Object, Frozen> done = new IdentityHashMap<>();
    private final IdentityHashMap<Object, Boolean> open = new IdentityHashMap<>();
    private final Map<String, PickleValue.Tensor> tensors = new LinkedHashMap<>();
    private long nameChars;

    private PickleTree(MappedFile file) {
        this.file = file;
    }

    /// The values of a file.
    ///
    /// @param root the outermost one
    /// @param tensors all tensors by dotted name, in the order of a walk
    record Result(PickleValue root, Map<String, PickleValue.Tensor> tensors) {}

    /// A finished value.
    ///
    /// @param size number of values that a walk sees
    /// @param height levels of containers in it
    private record Frozen(PickleValue value, long size, int height) {}

    static Result of(MappedFile file, Object root) {
        PickleTree tree = new PickleTree(file);
        PickleValue value = tree.freeze(root, 0).value();
        if (value instanceof PickleValue.Tensor tensor) {
            tree.add(LONE_TENSOR, tensor);
        } else {
            tree.name("", value);
        }
        return new Result(value, Collections.unmodifiableMap(tree.tensors));
    }

    private Frozen freeze(Object object, int depth) {
        if (object instanceof PickleValue value) {
            return new Frozen(value, 1, 0);
        }
        Frozen known = done.get(object);
        if (depth + (known == null ? 0 : known.height()) > DEEPEST) {
            throw file.broken(-1, "has containers nested more than " + DEEPEST + " deep");
        }
        if (known != null) {
            return known;
        }
        if (open.put(object, true) != null) {
            throw file.broken(-1, "has a container that contains itself");
        }
        Frozen frozen = switch (object) {
            case ListNode(List<Object> items) -> sequence(PickleValue.Sequence.Kind.LIST, items, depth);
            case TupleNode(PickleValue.Sequence.Kind kind, List<Object> items) -> sequence(kind, items, depth);
            case DictNode(boolean ordered, Map<PickleValue, Object> entries) -> dict(entries, depth);
            default -> throw file.broken(-1, "has something in its data that is neither a tensor nor plain data");
        };
        if (frozen.size() > MOST_VALUES) {
            throw file.broken(-1, "has more than " + MOST_VALUES + " values");
        }
        open.remove(object);
        done.put(object, frozen);
        return frozen;
    }

    private Frozen sequence(PickleValue.Sequence.Kind kind, List<Object> items, int depth) {
        List<PickleValue> values = new ArrayList<>(items.size());
        long size = 1;
        int height = 0;
        for (Object item : items) {
            Frozen f = freeze(item, depth + 1);
            values.add(f.value());
            size += f.size();
            height = Math.max(height, f.height() + 1);
        }
        return new Frozen(new PickleValue.Sequence(kind, values), size, height);
    }

    private Frozen dict(Map<PickleValue, Object> entries, int depth) {
        Map<PickleValue, PickleValue> values = new LinkedHashMap<>();
        long size = 1;
        int height = 0;
        for (Map.Entry<PickleValue, Object> e : entries.entrySet()) {
            Frozen f = freeze(e.getValue(), depth + 1);
            values.put(e.getKey(), f.value());
            size += 1 + f.size();
            height = Math.max(height, f.height() + 1);
        }
        return new Frozen(new PickleValue.Dict(values), size, height);
    }

    /// Names all tensors below a container.
    ///
    /// @param prefix the container's own name and a dot, or nothing
    private void name(String prefix, PickleValue value) {
        switch (value) {
            case PickleValue.Sequence(PickleValue.Sequence.Kind kind, List<PickleValue> items) -> {
                for (int i = 0; i < items.size(); i++) {
                    child(prefix, Integer.toString(i), items.get(i));
                }
            }
            case PickleValue.Dict(Map<PickleValue, PickleValue> entries) ->
                entries.forEach((key, item) -> {
                    if (isNamed(item)) {
                        child(prefix, key.toString(), item);
                    }
                });
            default -> {}
        }
    }

    private void child(String prefix, String key, PickleValue value) {
        if (!isNamed(value)) {
            return;
        }
        String name = prefix + key;
        nameChars += name.length();
        if (name.length() > LONGEST_NAME || nameChars > LONGEST_NAMES) {
            throw file.broken(-1, "has names too long to be those of tensors");
        }
        if (value instanceof PickleValue.Tensor tensor) {
            add(name, tensor);
        } else {
            name(name + ".", value);
        }
    }

    /// Whether this is a tensor or could hold one.
    private static boolean isNamed(PickleValue value) {
        return value instanceof PickleValue.Tensor
                || value instanceof PickleValue.Sequence
                || value instanceof PickleValue.Dict;
    }

    private void add(String name, PickleValue.Tensor tensor) {
        if (tensors.put(name, tensor) != null) {
            throw file.broken(-1, "has two tensors that would both be called " + CheckpointException.quote(name));
        }
    }
}
