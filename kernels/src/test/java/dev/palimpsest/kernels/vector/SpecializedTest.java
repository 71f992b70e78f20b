package dev.palimpsest.kernels.vector;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.InputStream;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassModel;
import java.lang.classfile.MethodModel;
import java.lang.classfile.attribute.CodeAttribute;
import java.lang.classfile.instruction.InvokeInstruction;
import java.lang.constant.ClassDesc;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class SpecializedTest {
    @Test
    void everyCopyHasItsOwnConstant() {
        Specialized<Integer, SpecializedSample> copies =
                new Specialized<>(SpecializedTemplate.class, SpecializedSample.class, List.of(3, 10));

        assertThat(copies.get(3).times(5)).isEqualTo(15);
        assertThat(copies.get(10).times(5)).isEqualTo(50);
        assertThat(copies.get(3)).isNotSameAs(copies.get(10));
    }

    @Test
    void aConstantWithoutCopyIsNamed() {
        Specialized<Integer, SpecializedSample> copies =
                new Specialized<>(SpecializedTemplate.class, SpecializedSample.class, List.of(3));

        assertThatThrownBy(() -> copies.get(4))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("4");
    }

    @Test
    void copiedMethodsComputeTheSameWithBranchesLoopsAndArgumentsOfAllSizes() {
        SpecializedSample copy =
                new Specialized<>(SpecializedTemplate.class, SpecializedSample.class, List.of(1)).get(1);

        for (int n : new int[] {-3, 0, 1, 2, 7, 40}) {
            assertThat(copy.mixed(n, 0.5, 1L << 40)).as("for %d", n).isEqualTo(expected(n, 0.5, 1L << 40));
        }
    }

    @Test
    void markedMethodsAreNoLongerCalledAndPublicOnesAreTooLongToBeInlined() throws IOException {
        ClassModel copied =
                ClassFile.of().parse(new Inliner(SpecializedTest::find).transform(read(SpecializedTemplate.class)));

        for (MethodModel m : copied.methods()) {
            String name = m.methodName().stringValue();
            if (!name.equals("times") && !name.equals("mixed")) {
                continue;
            }
            CodeAttribute code = (CodeAttribute) m.code().orElseThrow();
            List<String> calls = code.elementStream()
                    .filter(InvokeInstruction.class::isInstance)
                    .map(i -> ((InvokeInstruction) i).name().stringValue())
                    .toList();
            assertThat(calls).as("calls of %s", name).doesNotContain("scaled", "choose", "power");
            assertThat(code.codeLength()).as("bytes of %s", name).isGreaterThan(325);
        }
    }

    /// The same as [SpecializedTemplate#mixed], written by itself.
    private static double expected(int n, double factor, long offset) {
        double sum = 0;
        long power = 1;
        for (int i = 0; i < 3; i++) {
            int d = n - i;
            sum += power * factor + offset + (d < 0 ? -sum : d == 0 ? 1 : d > 10 ? d : sum / 2);
            power *= n;
        }
        return sum;
    }

    private static ClassModel read(Class<?> type) throws IOException {
        try (InputStream in = type.getResourceAsStream(type.getSimpleName() + ".class")) {
            return ClassFile.of().parse(Objects.requireNonNull(in).readAllBytes());
        }
    }

    private static @Nullable ClassModel find(ClassDesc name) {
        try {
            return name.displayName().equals("SpecializedTemplate") ? read(SpecializedTemplate.class) : null;
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }
}
