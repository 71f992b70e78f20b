/// One list of cases for every op of the kernels, for whoever has to try all of them: the tests of the providers,
/// gradient checks, measurements. It depends on no test library.
@NullMarked
package dev.palimpsest.kernels.cases;

import org.jspecify.annotations.NullMarked;
