/// JMH benchmarks of the kernels and models.
@NullMarked
package dev.palimpsest.bench;

import org.jspecify.annotations.NullMarked;
