package dev.palimpsest.examples;

import static com.tngtech.archunit.core.domain.JavaCall.Predicates.target;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.core.domain.properties.HasName.Predicates.nameMatching;
import static com.tngtech.archunit.core.domain.properties.HasOwner.Predicates.With.owner;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.fields;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.Architectures.layeredArchitecture;
import static com.tngtech.archunit.library.GeneralCodingRules.ACCESS_STANDARD_STREAMS;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ForkJoinPool;
import org.junit.jupiter.api.Test;

/// What the compiled classes of the product may use: the arrows between the modules, and the house rules that bytecode
/// shows.
class ArchitectureTest {

    private static final String[] LIBRARIES = {
        "dev.palimpsest.kernels..", "dev.palimpsest.tensor..", "dev.palimpsest.weights..", "dev.palimpsest.models.."
    };

    private static final JavaClasses PRODUCT = new ClassFileImporter()
            .withImportOption(new ImportOption.DoNotIncludeTests())
            .importPackages("dev.palimpsest");

    @Test
    void everyModuleIsSeen() {
        for (String module : new String[] {"kernels", "tensor", "weights", "models", "examples"}) {
            assertThat(PRODUCT.containPackage("dev.palimpsest." + module))
                    .as(module)
                    .isTrue();
        }
    }

    @Test
    void arrowsPointDown() {
        layeredArchitecture()
                .consideringOnlyDependenciesInAnyPackage("dev.palimpsest..")
                .layer("kernels")
                .definedBy("dev.palimpsest.kernels..")
                .layer("tensor")
                .definedBy("dev.palimpsest.tensor..")
                .layer("weights")
                .definedBy("dev.palimpsest.weights..")
                .layer("models")
                .definedBy("dev.palimpsest.models..")
                .layer("examples")
                .definedBy("dev.palimpsest.examples..")
                .whereLayer("kernels")
                .mayOnlyBeAccessedByLayers("tensor", "weights", "models", "examples")
                .whereLayer("tensor")
                .mayOnlyBeAccessedByLayers("models", "examples")
                .whereLayer("weights")
                .mayOnlyBeAccessedByLayers("models", "examples")
                .whereLayer("models")
                .mayOnlyBeAccessedByLayers("examples")
                .whereLayer("examples")
                .mayNotBeAccessedByAnyLayer()
                .check(PRODUCT);
    }

    @Test
    void whatModelsShareKnowsNoModel() {
        noClasses()
                .that()
                .resideInAnyPackage(
                        "dev.palimpsest.models.api..",
                        "dev.palimpsest.models.image..",
                        "dev.palimpsest.models.text..",
                        "dev.palimpsest.models.diffusion..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("dev.palimpsest.models.vincie..")
                .check(PRODUCT);
    }

    @Test
    void librariesLeaveTheStandardStreamsAlone() {
        noClasses()
                .that()
                .resideInAnyPackage(LIBRARIES)
                .should(ACCESS_STANDARD_STREAMS)
                .check(PRODUCT);
    }

    @Test
    void librariesChangeNothingGlobal() {
        noClasses()
                .that()
                .resideInAnyPackage(LIBRARIES)
                .should()
                .callMethodWhere(target(nameMatching("setProperty|setProperties|setOut|setErr|exit|halt"))
                        .and(target(owner(resideInAnyPackage("java.lang")))))
                .check(PRODUCT);
    }

    @Test
    void staticFieldsAreFinal() {
        fields().that().areStatic().should().beFinal().check(PRODUCT);
    }

    @Test
    void threadsAreTheEnginesOwn() {
        noClasses()
                .should()
                .callMethodWhere(target(nameMatching("parallel|parallelStream"))
                        .and(target(owner(resideInAnyPackage("java.util..")))))
                .orShould()
                .dependOnClassesThat()
                .areAssignableTo(ForkJoinPool.class)
                .orShould()
                .dependOnClassesThat()
                .areAssignableTo(CompletableFuture.class)
                .check(PRODUCT);
    }

    @Test
    void nothingReachesIntoTheJdk() {
        noClasses()
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("sun..", "com.sun..", "jdk.internal..")
                .check(PRODUCT);
    }
}
