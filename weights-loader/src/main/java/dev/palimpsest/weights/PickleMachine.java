package dev.palimpsest.weights;

import dev.palimpsest.weights.PickleNode.DictNode;
import dev.palimpsest.weights.PickleNode.ListNode;
import dev.palimpsest.weights.PickleNode.TupleNode;
import dev.palimpsest.weights.PickleValue.Sequence.Kind;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// A machine for Python's pickle format, protocols 0 to 5, that builds plain data and nothing else.
///
/// Pickle is a small stack language (documented in CPython's `Lib/pickletools.py`) in which a file may name any
/// function and have it called. Here a name is looked up in [TorchGlobals], a fixed list of harmless constructors;
/// every other name is an error as soon as it is named, and nothing of a file is ever executed. The number of steps is
/// bounded, nothing recurses, and lengths are believed only as far as the file has bytes.
final class PickleMachine {
    /// Ten times what the largest published models need; bounds the memory that small objects can take.
    private static final int MOST_STEPS = 5_000_000;

    private static final int HIGHEST_PROTOCOL = 5;
    private static final int LARGEST_INTEGER_BYTES = 1024;
    private static final int LONGEST_NUMBER = 2500;

    private final ByteCursor in;
    private final TorchGlobals globals;
    private final List<Object> stack = new ArrayList<>();
    private final List<Integer> marks = new ArrayList<>();
    private final Map<Long, Object> memo = new HashMap<>();
    private long opcodeAt;

    private PickleMachine(ByteCursor in, TorchGlobals globals) {
        this.in = in;
        this.globals = globals;
    }

    /// Reads one pickle from where the cursor stands to its STOP.
    ///
    /// @return a [PickleValue] or [PickleNode], or a constructor that was named and not called
    static Object load(ByteCursor in, TorchGlobals globals) {
        PickleMachine machine = new PickleMachine(in, globals);
        try {
            for (int steps = 0; steps < MOST_STEPS; steps++) {
                machine.opcodeAt = in.position();
                int opcode = in.u8();
                if (opcode == '.') {
                    return machine.pop();
                }
                machine.step(opcode);
            }
        } catch (Refused e) {
            throw machine.fault(e.reason());
        }
        throw machine.fault("the pickle has more than " + MOST_STEPS + " instructions");
    }

    private void step(int opcode) {
        switch (opcode) {
            case 0x80 -> protocol(in.u8());
            case 0x95 -> frame(in.i64());
            // the stack
            case '(' -> marks.add(stack.size());
            case '0' -> popOrMark();
            case '1' -> popToMark();
            case '2' -> push(top());
            // the memo
            case 'p' -> memo.put(memoIndex(), top());
            case 'q' -> memo.put((long) in.u8(), top());
            case 'r' -> memo.put(in.u32(), top());
            case 0x94 -> memo.put((long) memo.size(), top());
            case 'g' -> push(recall(memoIndex()));
            case 'h' -> push(recall(in.u8()));
            case 'j' -> push(recall(in.u32()));
            // constants and numbers
            case 'N' -> push(PickleValue.None.NONE);
            case 0x88 -> push(new PickleValue.Bool(true));
            case 0x89 -> push(new PickleValue.Bool(false));
            case 'I' -> push(textInteger());
            case 'J' -> push(PickleValue.Int.of(in.i32()));
            case 'K' -> push(PickleValue.Int.of(in.u8()));
            case 'M' -> push(PickleValue.Int.of(in.u16()));
            case 'L' -> push(textLong());
            case 0x8a -> push(binaryLong(in.u8()));
            case 0x8b -> push(binaryLong(in.u32()));
            case 'F' -> push(textFloat());
            case 'G' -> push(new PickleValue.Real(in.bigEndianDouble()));
            // strings
            case 'S' -> push(text(PickleText.literal(in.line())));
            case 'T' -> push(new PickleValue.Text(in.utf8(in.u32())));
            case 'U' -> push(new PickleValue.Text(in.utf8(in.u8())));
            case 'V' -> push(new PickleValue.Text(PickleText.rawUnicode(in.line())));
            case 'X' -> push(new PickleValue.Text(in.utf8(in.u32())));
            case 0x8c -> push(new PickleValue.Text(in.utf8(in.u8())));
            case 0x8d -> push(new PickleValue.Text(in.utf8(in.i64())));
            case 'B' -> push(new PickleValue.Bytes(in.bytes(in.u32())));
            case 'C' -> push(new PickleValue.Bytes(in.bytes(in.u8())));
            case 0x8e, 0x96 -> push(new PickleValue.Bytes(in.bytes(in.i64())));
            // containers
            case ')' -> push(new TupleNode(Kind.TUPLE, List.of()));
            case 't' -> push(new TupleNode(Kind.TUPLE, popToMark()));
            case 0x85 -> push(new TupleNode(Kind.TUPLE, popLast(1)));
            case 0x86 -> push(new TupleNode(Kind.TUPLE, popLast(2)));
            case 0x87 -> push(new TupleNode(Kind.TUPLE, popLast(3)));
            case ']' -> push(new ListNode());
            case 'l' -> push(new ListNode(popToMark()));
            case 'a' -> append(popLast(1));
            case 'e' -> append(popToMark());
            case '}' -> push(new DictNode(false));
            case 'd' -> {
                List<Object> items = popToMark();
                push(new DictNode(false));
                setItems(items);
            }
            case 's' -> setItems(popLast(2));
            case 'u' -> setItems(popToMark());
            // names, calls and references
            case 'c' -> push(global(word(), word()));
            case 0x93 -> {
                List<Object> names = popLast(2);
                push(global(word(names.get(0)), word(names.get(1))));
            }
            case 'i' -> {
                Object function = global(word(), word());
                push(call(function, popToMark()));
            }
            case 'o' -> {
                List<Object> items = popToMark();
                if (items.isEmpty()) {
                    throw fault("a call names no function");
                }
                push(call(items.getFirst(), items.subList(1, items.size())));
            }
            case 'R', 0x81 -> {
                List<Object> items = popLast(2);
                push(call(items.get(0), arguments(items.get(1))));
            }
            case 0x92 -> {
                List<Object> items = popLast(3);
                if (!(items.get(2) instanceof DictNode named)
                        || !named.entries().isEmpty()) {
                    throw fault("a constructor is called with named arguments");
                }
                push(call(items.get(0), arguments(items.get(1))));
            }
            case 'b' -> build();
            case 'Q' -> push(globals.persistent(pop()));
            default -> throw fault("pickle instruction 0x%02x has no use in a checkpoint".formatted(opcode));
        }
    }

    private void protocol(int version) {
        if (version > HIGHEST_PROTOCOL) {
            throw fault("pickle protocol " + version + " is newer than " + HIGHEST_PROTOCOL);
        }
    }

    /// Frames only help a reader to fetch ahead.
    private void frame(long length) {
        if (length < 0 || length > in.remaining()) {
            throw fault("a frame of " + Long.toUnsignedString(length) + " bytes does not fit in the " + in.remaining()
                    + " that are left");
        }
    }

    private void push(Object value) {
        stack.add(value);
    }

    private int floor() {
        return marks.isEmpty() ? 0 : marks.getLast();
    }

    private Object top() {
        if (stack.size() <= floor()) {
            throw fault("the pickle takes something from an empty stack");
        }
        return stack.getLast();
    }

    private Object pop() {
        top();
        return stack.removeLast();
    }

    private void popOrMark() {
        if (stack.size() == floor() && !marks.isEmpty()) {
            marks.removeLast();
        } else {
            pop();
        }
    }

    /// The topmost objects, in the order in which they were pushed.
    private List<Object> popLast(int n) {
        if (stack.size() - n < floor()) {
            throw fault("the pickle takes something from an empty stack");
        }
        return popFrom(stack.size() - n);
    }

    private List<Object> popToMark() {
        if (marks.isEmpty()) {
            throw fault("the pickle refers to a mark that is not there");
        }
        return popFrom(marks.removeLast());
    }

    private List<Object> popFrom(int index) {
        List<Object> tail = stack.subList(index, stack.size());
        List<Object> items = new ArrayList<>(tail);
        tail.clear();
        return items;
    }

    private Object recall(long index) {
        Object value = memo.get(index);
        if (value == null) {
            throw fault("the pickle refers to object " + index + ", which it has not made");
        }
        return value;
    }

    private long memoIndex() {
        return number(ascii(in.line())).longValue();
    }

    private void append(List<Object> items) {
        if (!(top() instanceof ListNode list)) {
            throw fault("the pickle appends to something that is not a list");
        }
        list.items().addAll(items);
    }

    private void setItems(List<Object> items) {
        if (!(top() instanceof DictNode dict) || items.size() % 2 != 0) {
            throw fault("the pickle sets items of something that is not a dictionary");
        }
        for (int i = 0; i < items.size(); i += 2) {
            globals.put(dict, items.get(i), items.get(i + 1));
        }
    }

    /// Sets the attributes of an object. Only dictionaries have any here, such as the `_metadata` of a state dict, and
    /// those are of no interest.
    private void build() {
        pop();
        if (!(top() instanceof DictNode dict) || !dict.ordered()) {
            throw fault("the pickle sets attributes of something that is not an OrderedDict");
        }
    }

    private Object global(String module, String name) {
        return globals.find(module, name);
    }

    private Object call(Object function, List<Object> arguments) {
        if (!(function instanceof TorchGlobals.Global global)) {
            throw fault("the pickle calls something that is not a function");
        }
        return globals.call(global, arguments);
    }

    private List<Object> arguments(Object value) {
        if (!(value instanceof TupleNode tuple)) {
            throw fault("the arguments of a call are not a tuple");
        }
        return tuple.items();
    }

    private String word() {
        long from = in.position();
        return in.utf8(in.line(), from);
    }

    private String word(Object value) {
        if (!(value instanceof PickleValue.Text text)) {
            throw fault("the name of a function is not a string");
        }
        return text.value();
    }

    private PickleValue.Text text(byte[] bytes) {
        return new PickleValue.Text(in.utf8(bytes, opcodeAt));
    }

    private PickleValue textInteger() {
        String line = ascii(in.line());
        return switch (line) {
            case "00" -> new PickleValue.Bool(false);
            case "01" -> new PickleValue.Bool(true);
            default -> new PickleValue.Int(number(line));
        };
    }

    private PickleValue textLong() {
        String line = ascii(in.line());
        return new PickleValue.Int(number(line.endsWith("L") ? line.substring(0, line.length() - 1) : line));
    }

    private BigInteger number(String text) {
        if (text.length() > LONGEST_NUMBER || !text.matches("[+-]?[0-9]+")) {
            throw fault(CheckpointException.quote(text) + " is not an integer of reasonable length");
        }
        return new BigInteger(text);
    }

    private PickleValue binaryLong(long length) {
        if (length > LARGEST_INTEGER_BYTES) {
            throw fault("an integer of " + length + " bytes is too large");
        }
        byte[] littleEndian = in.bytes(length);
        byte[] bigEndian = new byte[littleEndian.length];
        for (int i = 0; i < bigEndian.length; i++) {
            bigEndian[i] = littleEndian[bigEndian.length - 1 - i];
        }
        return new PickleValue.Int(bigEndian.length == 0 ? BigInteger.ZERO : new BigInteger(bigEndian));
    }

    private PickleValue textFloat() {
        String line = ascii(in.line());
        return new PickleValue.Real(
                switch (line) {
                    case "inf" -> Double.POSITIVE_INFINITY;
                    case "-inf" -> Double.NEGATIVE_INFINITY;
                    case "nan" -> Double.NaN;
                    default -> {
                        if (line.length() > 64 || !line.matches("[+-]?[0-9]*\\.?[0-9]+\\.?([eE][+-]?[0-9]+)?")) {
                            throw fault(CheckpointException.quote(line) + " is not a number");
                        }
                        yield Double.parseDouble(line);
                    }
                });
    }

    private static String ascii(byte[] bytes) {
        return new String(bytes, StandardCharsets.US_ASCII);
    }

    private CheckpointException fault(String reason) {
        return in.fault(opcodeAt, reason);
    }
}
