package dev.palimpsest.bench.compare;

import org.jspecify.annotations.Nullable;

/// One measurement: a provider beside a peer.
///
/// @param group what is measured: `gemm`, `conv`, ...
/// @param shape where it occurs and its extents
/// @param dtype element types
/// @param threads number of threads
/// @param provider ours
/// @param peer the other, null if the row only says how fast ours is
/// @param ours best of ours, in `unit`
/// @param theirs best of theirs, in `unit`
/// @param oursMedian median of ours, in `unit`
/// @param theirsMedian median of theirs, in `unit`
/// @param unit what is counted, more being better
/// @param ratio ours over theirs
/// @param peakShare ours over what the machine can do, 0 where that is unknown
/// @param spread quartile distance of our times over their median
/// @param agreement relative distance of the results, `|ours - theirs| / |theirs|` in the L2 norm
/// @param note what a reader must know, empty if nothing
record Row(
        String group,
        String shape,
        String dtype,
        int threads,
        String provider,
        @Nullable String peer,
        double ours,
        double theirs,
        double oursMedian,
        double theirsMedian,
        String unit,
        double ratio,
        double peakShare,
        double spread,
        double agreement,
        String note) {}
