/// The command line `palimpsest`.
module dev.palimpsest.examples {
    requires static org.jspecify;
    requires dev.palimpsest.models;
    requires java.management;
    requires info.picocli;
    requires me.tongfei.progressbar;
    requires tools.jackson.core;

    opens dev.palimpsest.examples to
            info.picocli;
}
