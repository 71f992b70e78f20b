package dev.palimpsest.bench.compare;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class JitCompilerTest {

    @Test
    void emptyQueuesAreIdle() {
        assertThat(JitCompiler.isIdle("""
                        Current compiles:

                        C1 compile queue:
                        Empty

                        C2 compile queue:
                        Empty

                        """)).isTrue();
    }

    @Test
    void whatIsBeingCompiledIsNotIdle() {
        assertThat(JitCompiler.isIdle("""
                        Current compiles:
                        C2 CompilerThread0  1770       4       java.lang.String::hashCode (60 bytes)

                        C1 compile queue:
                        Empty

                        C2 compile queue:
                        Empty
                        """)).isFalse();
    }

    @Test
    void whatWaitsIsNotIdle() {
        assertThat(JitCompiler.isIdle("""
                        Current compiles:

                        C1 compile queue:
                        Empty

                        C2 compile queue:
                        1777       4       java.util.ImmutableCollections$ListN::size (6 bytes)
                        """)).isFalse();
    }

    @Test
    void thisVirtualMachineComesToRest() {
        JitCompiler compiler = new JitCompiler();

        // it may find something to do again between any two looks
        assertThat(Stream.generate(() -> compiler.await(1)).limit(60).anyMatch(idle -> idle))
                .isTrue();
    }
}
