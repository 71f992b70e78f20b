package dev.palimpsest.bench.compare;

/// What contestants compute, and how it is counted.
///
/// @param group what is measured: `gemm`, `conv`, ...
/// @param shape where it occurs and its extents
/// @param dtype element types
/// @param work units of work in a call
/// @param unit what is counted per second, more being better
/// @param roof what bounds it
/// @param tolerance largest relative distance of two results, in the L2 norm
/// @param note what a reader must know, empty if nothing
record Contest(
        String group, String shape, String dtype, double work, String unit, Roof roof, double tolerance, String note) {}
