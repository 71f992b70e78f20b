/// Other people's kernels, measured beside ours. Built with the Maven profile `peers` only.
@NullMarked
package dev.palimpsest.bench.peers;

import org.jspecify.annotations.NullMarked;
