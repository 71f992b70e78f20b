package dev.palimpsest.bench;

import java.util.ArrayList;
import java.util.List;

/// Runs JMH with the JVM options that the kernels need in every fork, so that none has to be typed.
public final class Main {

    private Main() {}

    /// Takes JMH's own command line.
    ///
    /// @param args the options of JMH
    /// @throws Exception when JMH cannot understand its options or a benchmark fails
    public static void main(String[] args) throws Exception {
        var options = new ArrayList<>(
                List.of("-jvmArgsPrepend", "--add-modules=jdk.incubator.vector --enable-native-access=ALL-UNNAMED"));
        options.addAll(List.of(args));
        org.openjdk.jmh.Main.main(options.toArray(String[]::new));
    }
}
