/// JMH benchmarks of the kernels and models.
///
/// ```
/// bench/benchmarks Matmul -p kernels=vector -p shape=VINCIE_MLP_OUT -p weights=PACKED_F32
/// ```
@NullMarked
package dev.palimpsest.bench;

import org.jspecify.annotations.NullMarked;
