package dev.palimpsest.weights;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.NdArray;
import dev.palimpsest.kernels.Shape;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableSet;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;

/// A checkpoint seen as a tree of dotted names, from which a model takes its weights.
///
/// Model code walks it as it walks its own parts, so names need not be put together by hand:
///
/// ```java
/// WeightTree weights = WeightTree.of(checkpoint);
/// WeightTree block = weights.at("blocks").at(3);
/// NdArray weight = block.at("attn").get("proj.weight", Shape.of(width, width)); // blocks.3.attn.proj.weight
/// weights.requireComplete();
/// ```
///
/// A missing or mis-shaped tensor does not stop a model from being built: [#get] records it and returns a placeholder
/// of the expected shape, so that [#report] and [#requireComplete] speak of all problems at once. All nodes of a tree
/// share one record. A tree may be used by several threads.
public final class WeightTree {
    private final Ledger ledger;
    private final String prefix;

    private WeightTree(Ledger ledger, String prefix) {
        this.ledger = ledger;
        this.prefix = prefix;
    }

    /// The root of a checkpoint's tree, from which nothing has been taken yet.
    public static WeightTree of(Checkpoint checkpoint) {
        return new WeightTree(new Ledger(checkpoint), "");
    }

    /// The subtree of a child; it need not exist. The key may hold dots.
    public WeightTree at(String key) {
        return new WeightTree(ledger, prefix + key + ".");
    }

    /// The subtree of a numbered child.
    public WeightTree at(int index) {
        return at(Integer.toString(index));
    }

    /// Name of this node: `blocks.3.attn`, or nothing at the root.
    public String path() {
        return prefix.isEmpty() ? "" : prefix.substring(0, prefix.length() - 1);
    }

    /// Takes a tensor of a known shape.
    ///
    /// If the checkpoint lacks it or has it in another shape, that is recorded, and the result is a placeholder: zeros
    /// of the expected shape that take no memory. A model with a placeholder must not run; [#requireComplete] sees to
    /// it.
    public NdArray get(String key, Shape expected) {
        return ledger.get(prefix + key, expected);
    }

    /// Takes a tensor that a checkpoint may leave out; recorded only if it is there in another shape.
    public Optional<NdArray> optional(String key, Shape expected) {
        return has(key) ? Optional.of(get(key, expected)) : Optional.empty();
    }

    /// Whether there is a tensor of this name.
    public boolean has(String key) {
        return ledger.names.contains(prefix + key);
    }

    /// Whether there is any tensor below this child.
    public boolean hasUnder(String key) {
        String start = prefix + key + ".";
        String next = ledger.names.ceiling(start);
        return next != null && next.startsWith(start);
    }

    /// Shape of a tensor that sizes are to be read from; this does not take it.
    ///
    /// @throws CheckpointException if there is no such tensor: without its sizes no model can be built
    public Shape shape(String key) {
        return ledger.checkpoint.info(prefix + key).shape();
    }

    /// Number of numbered children: 36 if this child has children from `0` to `35`. A child missing in between is
    /// counted, for its tensors will be reported when they are ledger.
    ///
    /// @throws CheckpointException if more than half would be missing
    public int count(String key) {
        return ledger.count(prefix + key);
    }

    /// Leaves tensors out of the report's unexpected ones: buffers that are computed, or parts that a model does not
    /// use.
    ///
    /// @param patterns names below this node, in which `*` stands for any text: `*.rope.freqs`, `decoder.*`
    public void ignore(String... patterns) {
        for (String pattern : patterns) {
            ledger.ignore(prefix + pattern);
        }
    }

    /// What has been asked for and was not there, and what is there and has not been asked for, in the whole tree.
    public LoadReport report() {
        return ledger.report();
    }

    /// Makes sure that everything fitted and nothing was left over.
    ///
    /// @throws CheckpointException with the summary of the whole [report][#report] otherwise
    public void requireComplete() {
        LoadReport report = report();
        if (!report.isComplete()) {
            throw new CheckpointException(report.path(), report.summary());
        }
    }

    /// What all nodes share.
    private static final class Ledger {
        /// Only so many names are guessed at; each guess looks at all unexpected tensors.
        private static final int MOST_GUESSES = 64;

        final Checkpoint checkpoint;
        final NavigableSet<String> names;
        private final Set<String> used = new HashSet<>();
        private final Map<String, Shape> missing = new LinkedHashMap<>();
        private final Map<String, LoadReport.Misshaped> misshaped = new LinkedHashMap<>();
        private final List<Pattern> ignored = new ArrayList<>();
        private final NdArray zero = NdArray.of(Arena.ofAuto().allocate(DType.F32.bytes()), DType.F32, Shape.scalar());

        Ledger(Checkpoint checkpoint) {
            this.checkpoint = checkpoint;
            this.names = new TreeSet<>(checkpoint.names());
        }

        synchronized NdArray get(String name, Shape expected) {
            if (!names.contains(name)) {
                missing.putIfAbsent(name, expected);
                return zero.expand(expected);
            }
            used.add(name);
            Shape found = checkpoint.info(name).shape();
            if (!found.equals(expected)) {
                misshaped.putIfAbsent(name, new LoadReport.Misshaped(name, expected, found));
                return zero.expand(expected);
            }
            return checkpoint.tensor(name);
        }

        int count(String parent) {
            String start = parent + ".";
            Set<Integer> children = new HashSet<>();
            int highest = -1;
            for (String name : names.tailSet(start)) {
                if (!name.startsWith(start)) {
                    break;
                }
                int end = name.indexOf('.', start.length());
                String child = name.substring(start.length(), end < 0 ? name.length() : end);
                if (child.matches("0|[1-9][0-9]{0,8}")) {
                    int index = Integer.parseInt(child);
                    children.add(index);
                    highest = Math.max(highest, index);
                }
            }
            if (highest + 1 > 2 * children.size()) {
                Path path = checkpoint.path();
                throw new CheckpointException(
                        path,
                        CheckpointException.quote(parent) + " has children numbered up to " + highest + ", but only "
                                + children.size() + " of them");
            }
            return highest + 1;
        }

        synchronized void ignore(String pattern) {
            String regex = String.join(
                    ".*",
                    Arrays.stream(pattern.split("\\*", -1)).map(Pattern::quote).toList());
            ignored.add(Pattern.compile(regex, Pattern.DOTALL));
        }

        synchronized LoadReport report() {
            List<LoadReport.Unexpected> unexpected = new ArrayList<>();
            for (String name : checkpoint.names()) {
                if (!used.contains(name)
                        && ignored.stream().noneMatch(p -> p.matcher(name).matches())) {
                    unexpected.add(new LoadReport.Unexpected(name, checkpoint.info(name)));
                }
            }
            List<String> candidates =
                    unexpected.stream().map(LoadReport.Unexpected::name).toList();
            List<LoadReport.Missing> absent = new ArrayList<>();
            missing.forEach((name, expected) -> absent.add(new LoadReport.Missing(
                    name,
                    expected,
                    absent.size() < MOST_GUESSES ? Names.nearest(name, candidates) : Optional.empty())));
            return new LoadReport(checkpoint.path(), absent, List.copyOf(misshaped.values()), unexpected);
        }
    }
}
