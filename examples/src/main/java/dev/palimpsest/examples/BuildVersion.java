package dev.palimpsest.examples;

import java.io.IOException;
import java.util.Properties;
import picocli.CommandLine.IVersionProvider;

/// Tells the version that the build wrote next to this class, and the JVM that runs it.
final class BuildVersion implements IVersionProvider {

    @Override
    public String[] getVersion() throws IOException {
        var build = new Properties();
        try (var in = BuildVersion.class.getResourceAsStream("build.properties")) {
            build.load(in);
        }
        return new String[] {
            "palimpsest " + build.getProperty("version"), "JVM " + Runtime.version(),
        };
    }
}
