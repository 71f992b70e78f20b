/// Numerical kernels over strided native memory: the interface [dev.palimpsest.kernels.Kernels], what describes its
/// operands and operations, and the choice of a provider.
@NullMarked
package dev.palimpsest.kernels;

import org.jspecify.annotations.NullMarked;
