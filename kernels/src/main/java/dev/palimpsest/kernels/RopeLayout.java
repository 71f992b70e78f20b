package dev.palimpsest.kernels;

/// Which elements of a head form the pairs that a rotary embedding turns (Su et al. 2021, arXiv 2104.09864).
public enum RopeLayout {
    /// Neighbours: `(x[2i], x[2i+1])`.
    INTERLEAVED,
    /// Halves of the rotated part of width r: `(x[i], x[i + r/2])`.
    HALF_SPLIT
}
