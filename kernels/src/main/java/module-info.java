/// The computational kernels and the lookup of the fastest provider for this machine.
module dev.palimpsest.kernels {
    requires static transitive org.jspecify;
    requires jdk.incubator.vector;

    exports dev.palimpsest.kernels;
}
