package dev.palimpsest.models.api;

/// Listens to long work. Called on the working thread, so it should return quickly.
@FunctionalInterface
public interface Progress {
    /// Ignores everything.
    Progress NONE = (stage, done, total) -> {};

    /// Some work was done.
    ///
    /// @param stage what is being done, in words for people: `encode images`, `denoise`
    /// @param done steps of this stage that are finished; 0 when it begins
    /// @param total steps that the stage has
    void update(String stage, int done, int total);
}
