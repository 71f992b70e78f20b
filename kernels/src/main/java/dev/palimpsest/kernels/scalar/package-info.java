/// The plain kernels: loops that a reader can check against the definition of each op, in double precision where that
/// brings the result closer to the truth. They are what every other provider is compared with.
@NullMarked
package dev.palimpsest.kernels.scalar;

import org.jspecify.annotations.NullMarked;
