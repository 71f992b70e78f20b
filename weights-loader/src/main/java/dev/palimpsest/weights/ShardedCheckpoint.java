package dev.palimpsest.weights;

import dev.palimpsest.kernels.NdArray;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;

/// A model whose weights are spread over several files, with an index that says where each tensor lies: the layout of
/// Hugging Face's transformers, `model.safetensors.index.json` or `pytorch_model.bin.index.json`.
///
/// The index decides: a tensor that it does not list is not there, whatever the shards hold.
public final class ShardedCheckpoint implements Checkpoint {
    private static final String INDEX_SUFFIX = ".index.json";
    private static final String SAFETENSORS_INDEX_SUFFIX = ".safetensors" + INDEX_SUFFIX;
    private static final long LARGEST_INDEX = 100_000_000;
    private static final List<String> WEIGHT_EXTENSIONS = List.of("safetensors", "pth", "pt", "bin");

    private final Path path;
    private final Map<String, Checkpoint> shardOf;
    private final List<Checkpoint> shards;
    private final Map<String, String> metadata;

    private ShardedCheckpoint(
            Path path, Map<String, Checkpoint> shardOf, List<Checkpoint> shards, Map<String, String> metadata) {
        this.path = path;
        this.shardOf = Collections.unmodifiableMap(shardOf);
        this.shards = shards;
        this.metadata = Collections.unmodifiableMap(metadata);
    }

    /// Opens the shards of the folder's index, or the folder's only file of weights.
    static Checkpoint openFolder(Path folder) {
        List<Path> files = list(folder);
        List<Path> indexes = files.stream()
                .filter(f -> fileName(f).endsWith(INDEX_SUFFIX))
                .sorted(Comparator.comparing((Path f) -> !fileName(f).endsWith(SAFETENSORS_INDEX_SUFFIX)))
                .toList();
        if (!indexes.isEmpty()) {
            // A repository may list both formats while only one was downloaded.
            for (Path index : indexes) {
                if (Index.read(index).missing().isEmpty()) {
                    return CheckpointFiles.open(index);
                }
            }
            Path missing = Index.read(indexes.getFirst()).missing().getFirst();
            throw new CheckpointException(indexes.getFirst(), "lists the file " + missing + ", which does not exist");
        }
        List<Path> weights = files.stream()
                .filter(f -> WEIGHT_EXTENSIONS.stream().anyMatch(x -> CheckpointFiles.hasExtension(f, x)))
                .toList();
        return switch (weights.size()) {
            case 0 ->
                throw new CheckpointException(
                        folder,
                        "has no index (*" + INDEX_SUFFIX + ") and no file of weights (*."
                                + String.join(", *.", WEIGHT_EXTENSIONS) + ")");
            case 1 -> CheckpointFiles.open(weights.getFirst());
            default ->
                throw new CheckpointException(
                        folder,
                        weights.stream()
                                .limit(4)
                                .map(f -> CheckpointException.quote(fileName(f)))
                                .collect(Collectors.joining(
                                        ", ", "has several files of weights and no index; name one of them: ", "")));
        };
    }

    /// Whether a file is JSON, hence an index: no checkpoint format begins with a brace.
    static boolean isIndex(MappedFile file) {
        return file.size() > 0 && file.u8(0) == '{' && fileName(file.path()).endsWith(".json");
    }

    /// Opens the shards of an index; the index itself is not needed afterwards.
    static ShardedCheckpoint openIndex(MappedFile file) {
        Index index = Index.read(file);
        Map<String, Checkpoint> byFile = new LinkedHashMap<>();
        List<Checkpoint> shards = new ArrayList<>();
        try {
            for (String name : new LinkedHashSet<>(index.weightMap().values())) {
                Checkpoint shard = CheckpointFiles.openShard(index.path().resolveSibling(name));
                shards.add(shard);
                byFile.put(name, shard);
            }
            Map<String, Checkpoint> shardOf = new LinkedHashMap<>();
            index.weightMap().forEach((tensor, name) -> {
                Checkpoint shard = byFile.get(name);
                if (shard == null || !shard.names().contains(tensor)) {
                    throw file.broken(
                            -1,
                            "says that tensor " + CheckpointException.quote(tensor) + " is in "
                                    + CheckpointException.quote(name) + ", but it is not");
                }
                shardOf.put(tensor, shard);
            });
            return new ShardedCheckpoint(index.path(), shardOf, List.copyOf(shards), index.metadata());
        } catch (RuntimeException e) {
            shards.forEach(Checkpoint::close);
            throw e;
        }
    }

    /// The index file.
    @Override
    public Path path() {
        return path;
    }

    /// The files that hold the tensors, in the order in which the index first names them.
    public List<Path> shards() {
        return shards.stream().map(Checkpoint::path).toList();
    }

    @Override
    public Set<String> names() {
        return shardOf.keySet();
    }

    @Override
    public TensorInfo info(String name) {
        return shard(name).info(name);
    }

    @Override
    public NdArray tensor(String name) {
        return shard(name).tensor(name);
    }

    /// The index's own metadata, numbers written as text: usually `total_size`.
    @Override
    public Map<String, String> metadata() {
        return metadata;
    }

    @Override
    public void verify() {
        shards.forEach(Checkpoint::verify);
    }

    @Override
    public void unload(MemorySegment memory) {
        shards.forEach(shard -> shard.unload(memory));
    }

    @Override
    public void close() {
        shards.forEach(Checkpoint::close);
    }

    private Checkpoint shard(String name) {
        Checkpoint shard = shardOf.get(name);
        if (shard == null) {
            throw Names.unknown(this, name);
        }
        return shard;
    }

    private static String fileName(Path file) {
        Path name = file.getFileName();
        return name == null ? "" : name.toString();
    }

    private static List<Path> list(Path folder) {
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(Files::isRegularFile)
                    .sorted(Comparator.comparing(ShardedCheckpoint::fileName))
                    .toList();
        } catch (UncheckedIOException e) {
            throw unlisted(folder, Objects.requireNonNull(e.getCause()));
        } catch (IOException e) {
            throw unlisted(folder, e);
        }
    }

    private static CheckpointException unlisted(Path folder, IOException e) {
        return new CheckpointException(folder, "cannot be listed: " + CheckpointException.describe(e), e);
    }

    /// The content of an index file.
    ///
    /// @param path the index
    /// @param weightMap the plain name of a file beside the index, by tensor
    private record Index(Path path, Map<String, String> weightMap, Map<String, String> metadata) {
        static Index read(Path path) {
            try (MappedFile file = MappedFile.open(path)) {
                return read(file);
            }
        }

        static Index read(MappedFile file) {
            if (file.size() > LARGEST_INDEX) {
                throw file.broken(-1, "has " + file.size() + " bytes, too many for an index");
            }
            Map<String, String> weightMap = new LinkedHashMap<>();
            Map<String, String> metadata = new LinkedHashMap<>();
            boolean found = false;
            try (JsonParser json = Json.parser(file.slice(0, file.size()))) {
                if (json.nextToken() != JsonToken.START_OBJECT) {
                    throw file.broken(-1, "is not a JSON object");
                }
                for (String key = json.nextName(); key != null; key = json.nextName()) {
                    JsonToken value = json.nextToken();
                    if (key.equals("weight_map")) {
                        if (value != JsonToken.START_OBJECT || found) {
                            throw file.broken(
                                    -1, found ? "has weight_map twice" : "has a weight_map that is no object");
                        }
                        found = true;
                        readWeightMap(file, json, weightMap);
                    } else if (key.equals("metadata") && value == JsonToken.START_OBJECT) {
                        readMetadata(json, metadata);
                    } else {
                        json.skipChildren();
                    }
                }
                if (json.nextToken() != null) {
                    throw file.broken(-1, "goes on after its JSON object");
                }
            } catch (JacksonException e) {
                throw file.broken(-1, "is not valid JSON: " + Json.message(e), e);
            }
            if (!found) {
                throw file.broken(-1, "is not an index of weights: it has no weight_map");
            }
            return new Index(file.path(), weightMap, metadata);
        }

        private static void readWeightMap(MappedFile file, JsonParser json, Map<String, String> weightMap) {
            for (String tensor = json.nextName(); tensor != null; tensor = json.nextName()) {
                String quoted = CheckpointException.quote(tensor);
                if (json.nextToken() != JsonToken.VALUE_STRING) {
                    throw file.broken(-1, "does not name the file of tensor " + quoted);
                }
                String name = json.getString();
                if (!isPlainName(name)) {
                    throw file.broken(
                            -1,
                            "puts tensor " + quoted + " into " + CheckpointException.quote(name)
                                    + ", which is not the plain name of a file beside the index");
                }
                if (weightMap.put(tensor, name) != null) {
                    throw file.broken(-1, "lists tensor " + quoted + " twice");
                }
            }
        }

        private static void readMetadata(JsonParser json, Map<String, String> metadata) {
            for (String key = json.nextName(); key != null; key = json.nextName()) {
                if (json.nextToken().isScalarValue()) {
                    metadata.put(key, json.getString());
                } else {
                    json.skipChildren();
                }
            }
        }

        private static boolean isPlainName(String name) {
            return !name.isEmpty()
                    && !name.equals(".")
                    && !name.equals("..")
                    && name.chars().noneMatch(c -> c == '/' || c == '\\' || c == ':' || c < ' ');
        }

        /// Files that are listed but do not exist.
        List<Path> missing() {
            return weightMap.values().stream()
                    .distinct()
                    .map(path::resolveSibling)
                    .filter(f -> !Files.exists(f))
                    .toList();
        }
    }
}
