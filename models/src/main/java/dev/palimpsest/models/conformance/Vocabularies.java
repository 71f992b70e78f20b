package dev.palimpsest.models.conformance;

import dev.palimpsest.models.text.QwenTokenizer;
import dev.palimpsest.models.text.T5Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/// The vocabularies that lie in a folder and beside lists of tokens. Each is loaded once.
final class Vocabularies {
    private static final int DEEPEST = 8;

    private final Path data;
    private final Map<Path, QwenTokenizer> qwen = new HashMap<>();
    private final Map<Path, T5Tokenizer> t5 = new HashMap<>();

    Vocabularies(Path data) {
        this.data = data;
    }

    /// The folder that is searched.
    Path data() {
        return data;
    }

    /// Files with this extension, those beside the list first.
    ///
    /// @param description free text; files that it names come before all others
    List<Path> find(Path list, String extension, String description) throws IOException {
        List<Path> found = new ArrayList<>();
        Path folder = list.toAbsolutePath().getParent();
        if (folder != null) {
            collect(folder, 1, extension, found);
        }
        if (Files.isDirectory(data)) {
            collect(data, DEEPEST, extension, found);
        }
        found.sort(Comparator.comparing(f -> !description.contains(String.valueOf(f.getFileName()))));
        return found.stream().distinct().toList();
    }

    private static void collect(Path folder, int depth, String extension, List<Path> found) throws IOException {
        try (Stream<Path> tree = Files.walk(folder, depth)) {
            tree.filter(f -> f.toString().endsWith(extension))
                    .filter(Files::isRegularFile)
                    .sorted()
                    .forEach(found::add);
        }
    }

    QwenTokenizer qwen(Path file) throws IOException {
        QwenTokenizer known = qwen.get(file);
        if (known == null) {
            known = QwenTokenizer.load(file);
            qwen.put(file, known);
        }
        return known;
    }

    T5Tokenizer t5(Path file) throws IOException {
        T5Tokenizer known = t5.get(file);
        if (known == null) {
            known = T5Tokenizer.load(file);
            t5.put(file, known);
        }
        return known;
    }

    /// SHA-256 of a file, in lower-case hexadecimal digits.
    static String sha256(Path file) throws IOException {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(file)));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("this Java has no SHA-256", e);
        }
    }
}
