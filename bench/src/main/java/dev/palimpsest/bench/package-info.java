/// JMH benchmarks of the kernels and models.
///
/// ```
/// ./mvnw -pl bench -am package -DskipTests
/// java -jar bench/target/benchmarks.jar Matmul -p kernels=vector -p shape=VINCIE_MLP
/// ```
///
/// With the Maven profile `peers` (`./mvnw -Ppeers ...`) the same jar also measures OpenBLAS on the same products. On
/// a machine that does other things, too, the two are better compared in turn within one process:
///
/// ```
/// java --add-modules jdk.incubator.vector --enable-native-access=ALL-UNNAMED \
///     -cp bench/target/benchmarks.jar dev.palimpsest.bench.peers.MatmulComparison 1
/// ```
@NullMarked
package dev.palimpsest.bench;

import org.jspecify.annotations.NullMarked;
