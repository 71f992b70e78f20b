package dev.palimpsest.bench.compare;

import org.jspecify.annotations.Nullable;

/// One measurement: a provider beside a peer.
///
/// @param contest what was computed
/// @param threads number of threads
/// @param provider ours
/// @param peer the other, null if the row only says how fast ours is
/// @param oursTime of a call of ours
/// @param theirsTime of a call of the other, null if there is none
/// @param agreement relative distance of the results, `|ours - theirs| / |theirs|` in the L2 norm
record Row(
        Contest contest,
        int threads,
        String provider,
        @Nullable String peer,
        Timing oursTime,
        @Nullable Timing theirsTime,
        double agreement) {

    /// Best of ours, in the contest's unit.
    double ours() {
        return contest.work() / oursTime.best();
    }

    /// Best of theirs, in the contest's unit; 0 if there is none.
    double theirs() {
        return theirsTime == null ? 0 : contest.work() / theirsTime.best();
    }

    /// Median of ours, in the contest's unit.
    double oursMedian() {
        return contest.work() / oursTime.median();
    }

    /// Median of theirs, in the contest's unit; 0 if there is none.
    double theirsMedian() {
        return theirsTime == null ? 0 : contest.work() / theirsTime.median();
    }

    /// Ours over theirs; 0 if there is none.
    double ratio() {
        return theirsTime == null ? 0 : theirsTime.best() / oursTime.best();
    }

    /// Ours over what the machine can do, 0 where that is unknown.
    double peakShare(Roofs roofs) {
        double most = contest.roof().of(roofs);
        return most == 0 ? 0 : ours() / most;
    }

    /// Quartile distance of our times over their median.
    double spread() {
        return oursTime.spread();
    }

    /// What a reader must know, empty if nothing.
    String remark() {
        return agreement <= contest.tolerance()
                ? contest.note()
                : "results differ by more than " + contest.tolerance() + "; " + contest.note();
    }
}
