package dev.palimpsest.weights;

import dev.palimpsest.kernels.NdArray;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;

/// Another checkpoint, or part of one, under other names.
final class RenamedCheckpoint implements Checkpoint {
    private final Checkpoint source;
    private final Map<String, String> sourceNames;

    private RenamedCheckpoint(Checkpoint source, Map<String, String> sourceNames) {
        this.source = source;
        this.sourceNames = Collections.unmodifiableMap(sourceNames);
    }

    static RenamedCheckpoint renaming(Checkpoint source, UnaryOperator<String> rule) {
        Map<String, String> sourceNames = new LinkedHashMap<>();
        for (String name : source.names()) {
            String renamed = rule.apply(name);
            String other = sourceNames.putIfAbsent(renamed, name);
            if (other != null) {
                throw new CheckpointException(
                        source.path(),
                        "tensors " + CheckpointException.quote(other) + " and " + CheckpointException.quote(name)
                                + " would both be called " + CheckpointException.quote(renamed));
            }
        }
        return new RenamedCheckpoint(source, sourceNames);
    }

    static RenamedCheckpoint under(Checkpoint source, String prefix) {
        String start = prefix + ".";
        Map<String, String> sourceNames = new LinkedHashMap<>();
        for (String name : source.names()) {
            if (name.startsWith(start)) {
                sourceNames.put(name.substring(start.length()), name);
            }
        }
        if (sourceNames.isEmpty()) {
            throw new CheckpointException(
                    source.path(), "has no tensors under " + CheckpointException.quote(prefix) + Names.sample(source));
        }
        return new RenamedCheckpoint(source, sourceNames);
    }

    @Override
    public Path path() {
        return source.path();
    }

    @Override
    public Set<String> names() {
        return sourceNames.keySet();
    }

    @Override
    public TensorInfo info(String name) {
        return source.info(sourceName(name));
    }

    @Override
    public NdArray tensor(String name) {
        return source.tensor(sourceName(name));
    }

    @Override
    public Map<String, String> metadata() {
        return source.metadata();
    }

    @Override
    public void verify() {
        source.verify();
    }

    @Override
    public void unload(MemorySegment memory) {
        source.unload(memory);
    }

    @Override
    public void close() {
        source.close();
    }

    private String sourceName(String name) {
        String found = sourceNames.get(name);
        if (found == null) {
            throw Names.unknown(this, name);
        }
        return found;
    }
}
