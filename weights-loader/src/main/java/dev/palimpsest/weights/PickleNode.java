package dev.palimpsest.weights;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// A container while a pickle is still being read: other objects may point to it before it is filled.
sealed interface PickleNode {
    /// A `list`.
    record ListNode(List<Object> items) implements PickleNode {
        ListNode() {
            this(new ArrayList<>(0));
        }
    }

    /// A `tuple` or `torch.Size`.
    record TupleNode(PickleValue.Sequence.Kind kind, List<Object> items) implements PickleNode {}

    /// A `dict` or `OrderedDict`.
    record DictNode(boolean ordered, Map<PickleValue, Object> entries) implements PickleNode {
        DictNode(boolean ordered) {
            this(ordered, new LinkedHashMap<>());
        }
    }
}
