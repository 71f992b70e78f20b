/// Other people's kernels, called directly through their C and C++ interfaces. They are no dependency: the Maven
/// profile
/// `peers` fetches the libraries, and whatever is not there is left out.
@NullMarked
package dev.palimpsest.bench.peers;

import org.jspecify.annotations.NullMarked;
