package dev.palimpsest.kernels;

import java.util.List;

/// The kernels that were chosen, the threads they run on, and why.
///
/// @param kernels the chosen provider
/// @param parallel the threads that it shares its loops between
/// @param reason half a sentence on what decided
/// @param tiers every provider there could be, slowest first
public record KernelSelection(Kernels kernels, Parallel parallel, String reason, List<Tier> tiers) {

    /// One provider and whether this process can use it.
    ///
    /// @param name what `-Dpalimpsest.kernels` calls it
    /// @param available whether it can be used here
    /// @param detail what it computes with if it is available, else why it is not and what would help
    public record Tier(String name, boolean available, String detail) {}

    /// Copies the list.
    public KernelSelection {
        tiers = List.copyOf(tiers);
    }

    /// Name of the chosen provider: `scalar`, `vector`.
    public String name() {
        return kernels.name();
    }
}
