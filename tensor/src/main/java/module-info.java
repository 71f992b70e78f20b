/// Tensors, scoped memory, neural-network modules and random generators.
module dev.palimpsest.tensor {
    requires static transitive org.jspecify;
    requires transitive dev.palimpsest.kernels;

    exports dev.palimpsest.tensor;
    exports dev.palimpsest.tensor.autograd;
    exports dev.palimpsest.tensor.nn;
    exports dev.palimpsest.tensor.optim;
    exports dev.palimpsest.tensor.random;
}
