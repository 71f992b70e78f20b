package dev.palimpsest.examples;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.source.tree.AnnotationTree;
import com.sun.source.tree.CatchTree;
import com.sun.source.tree.ClassTree;
import com.sun.source.tree.CompilationUnitTree;
import com.sun.source.tree.IdentifierTree;
import com.sun.source.tree.MethodTree;
import com.sun.source.tree.ModifiersTree;
import com.sun.source.tree.Tree;
import com.sun.source.tree.UnionTypeTree;
import com.sun.source.tree.VariableTree;
import com.sun.source.util.DocTrees;
import com.sun.source.util.JavacTask;
import com.sun.source.util.TreePathScanner;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import javax.lang.model.element.Modifier;
import javax.tools.ToolProvider;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/// What only the sources show: comments on everything public, no `catch (Throwable)`, files that hold one idea,
/// nothing left to do. The compiler's own documentation lint checks what the comments say.
class SourceRulesTest {

    private static final List<String> MODULES =
            List.of("kernels", "tensor", "weights-loader", "models", "bench", "examples");

    private static final int LONGEST_FILE = 900;

    private static final List<Path> SOURCES = new ArrayList<>();
    private static final List<String> WITHOUT_COMMENT = new ArrayList<>();
    private static final List<String> CATCHING_THROWABLE = new ArrayList<>();

    @BeforeAll
    static void parse() throws IOException {
        var root = Path.of("..").toAbsolutePath().normalize();
        for (String module : MODULES) {
            for (String kind : List.of("main", "test")) {
                var folder = root.resolve(module).resolve("src").resolve(kind).resolve("java");
                if (Files.isDirectory(folder)) {
                    try (Stream<Path> files = Files.walk(folder)) {
                        files.filter(f -> f.toString().endsWith(".java")).forEach(SOURCES::add);
                    }
                }
            }
        }
        var compiler = ToolProvider.getSystemJavaCompiler();
        try (var files = compiler.getStandardFileManager(null, Locale.ROOT, StandardCharsets.UTF_8)) {
            var task = (JavacTask) compiler.getTask(
                    null, files, null, List.of("-proc:none"), null, files.getJavaFileObjectsFromPaths(SOURCES));
            var trees = DocTrees.instance(task);
            for (CompilationUnitTree unit : task.parse()) {
                new Visitor(trees, unit, root).scan(unit, null);
            }
        }
    }

    @Test
    void sourcesOfEveryModuleAreRead() {
        for (String module : MODULES) {
            assertThat(SOURCES).anyMatch(f -> f.toString().contains(module));
        }
    }

    @Test
    void everythingPublicHasAComment() {
        assertThat(WITHOUT_COMMENT).isEmpty();
    }

    @Test
    void nobodyCatchesThrowable() {
        assertThat(CATCHING_THROWABLE).isEmpty();
    }

    @Test
    void filesStayShort() throws IOException {
        for (Path file : SOURCES) {
            try (Stream<String> lines = Files.lines(file)) {
                assertThat(lines.count()).as(file.toString()).isLessThanOrEqualTo(LONGEST_FILE);
            }
        }
    }

    @Test
    void nothingIsLeftToDo() throws IOException {
        // put together here, so that this file does not find itself
        var mark = Pattern.compile("\\b(" + "TO" + "DO|FIX" + "ME|X" + "XX)\\b");
        for (Path file : SOURCES) {
            assertThat(Files.readString(file)).as(file.toString()).doesNotContainPattern(mark);
        }
    }

    private static final class Visitor extends TreePathScanner<Void, Void> {
        private final DocTrees trees;
        private final CompilationUnitTree unit;
        private final String file;
        private final boolean main;

        Visitor(DocTrees trees, CompilationUnitTree unit, Path root) {
            this.trees = trees;
            this.unit = unit;
            var path = root.relativize(Path.of(unit.getSourceFile().toUri()));
            this.file = path.toString();
            this.main = path.getName(2).toString().equals("main");
        }

        @Override
        public @Nullable Void visitClass(ClassTree type, @Nullable Void unused) {
            if (main && isPublic(type.getModifiers()) && isVisible()) {
                wantComment(type, type.getSimpleName());
            }
            return super.visitClass(type, null);
        }

        @Override
        public @Nullable Void visitMethod(MethodTree method, @Nullable Void unused) {
            if (main && isPublic(method.getModifiers()) && isVisible() && !isOverride(method)) {
                wantComment(method, method.getName());
            }
            return super.visitMethod(method, null);
        }

        @Override
        public @Nullable Void visitVariable(VariableTree variable, @Nullable Void unused) {
            boolean field = getCurrentPath().getParentPath().getLeaf() instanceof ClassTree;
            if (main && field && isPublic(variable.getModifiers()) && isVisible()) {
                wantComment(variable, variable.getName());
            }
            return super.visitVariable(variable, null);
        }

        @Override
        public @Nullable Void visitCatch(CatchTree handler, @Nullable Void unused) {
            var type = handler.getParameter().getType();
            var types = type instanceof UnionTypeTree union ? union.getTypeAlternatives() : List.of(type);
            for (Tree t : types) {
                if (t.toString().equals("Throwable")) {
                    CATCHING_THROWABLE.add(place(handler));
                }
            }
            return super.visitCatch(handler, null);
        }

        private void wantComment(Tree tree, CharSequence name) {
            if (trees.getDocComment(getCurrentPath()) == null) {
                WITHOUT_COMMENT.add(place(tree) + " " + name);
            }
        }

        private String place(Tree tree) {
            long at = trees.getSourcePositions().getStartPosition(unit, tree);
            return file + ":" + unit.getLineMap().getLineNumber(at);
        }

        private boolean isPublic(ModifiersTree modifiers) {
            var parent = getCurrentPath().getParentPath().getLeaf();
            if (parent instanceof ClassTree owner
                    && (owner.getKind() == Tree.Kind.INTERFACE || owner.getKind() == Tree.Kind.ANNOTATION_TYPE)) {
                return !modifiers.getFlags().contains(Modifier.PRIVATE);
            }
            return modifiers.getFlags().stream().anyMatch(Set.of(Modifier.PUBLIC, Modifier.PROTECTED)::contains);
        }

        /// Whether everything around the current tree is public as well.
        private boolean isVisible() {
            for (var path = getCurrentPath().getParentPath(); path != null; path = path.getParentPath()) {
                if (path.getLeaf() instanceof MethodTree) {
                    return false;
                }
                if (path.getLeaf() instanceof ClassTree type) {
                    var outer = path.getParentPath().getLeaf();
                    boolean inInterface = outer instanceof ClassTree owner && owner.getKind() == Tree.Kind.INTERFACE;
                    if (!inInterface
                            && !type.getModifiers().getFlags().contains(Modifier.PUBLIC)
                            && !type.getModifiers().getFlags().contains(Modifier.PROTECTED)) {
                        return false;
                    }
                }
            }
            return true;
        }

        private static boolean isOverride(MethodTree method) {
            for (AnnotationTree annotation : method.getModifiers().getAnnotations()) {
                if (annotation.getAnnotationType() instanceof IdentifierTree id
                        && id.getName().contentEquals("Override")) {
                    return true;
                }
            }
            return false;
        }
    }
}
