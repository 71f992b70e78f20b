/// Models and their interface for applications.
module dev.palimpsest.models {
    requires static transitive org.jspecify;
    requires transitive java.desktop;
    requires transitive dev.palimpsest.tensor;
    requires transitive dev.palimpsest.weights;
    requires tools.jackson.core;
    requires com.twelvemonkeys.imageio.metadata;

    exports dev.palimpsest.models.api;
    exports dev.palimpsest.models.conformance;
    exports dev.palimpsest.models.diffusion;
    exports dev.palimpsest.models.editinfinity;
    exports dev.palimpsest.models.infinity;
    exports dev.palimpsest.models.json;
    exports dev.palimpsest.models.image;
    exports dev.palimpsest.models.layers;
    exports dev.palimpsest.models.text;
    exports dev.palimpsest.models.vincie;
}
