/// Infinity: pictures from text, bit by bit and scale by scale, by an autoregressive transformer over a binary
/// spherical quantiser (Han et al. 2024, arXiv 2412.04431).
@NullMarked
package dev.palimpsest.models.infinity;

import org.jspecify.annotations.NullMarked;
