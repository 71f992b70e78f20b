/// Checkpoint files: safetensors, PyTorch zip and legacy files, sharded folders.
module dev.palimpsest.weights {
    requires static transitive org.jspecify;
    requires transitive dev.palimpsest.kernels;
    requires tools.jackson.core;

    exports dev.palimpsest.weights;
}
