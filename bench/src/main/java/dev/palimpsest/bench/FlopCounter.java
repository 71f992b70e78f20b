package dev.palimpsest.bench;

import org.openjdk.jmh.annotations.AuxCounters;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;

/// Counts arithmetic beside the calls, so that a throughput in seconds reads as GFLOP/s.
@State(Scope.Thread)
@AuxCounters(AuxCounters.Type.OPERATIONS)
public class FlopCounter {
    /// Billions of floating-point operations, a multiplication and an addition counted as two.
    public double gflop;
}
