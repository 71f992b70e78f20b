package dev.palimpsest.kernels.x86;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.palimpsest.kernels.x86.AttentionGenerator.Piece;
import dev.palimpsest.kernels.x86.MachineCode.Found;
import dev.palimpsest.kernels.x86.TileGenerator.Tile;
import java.lang.foreign.Arena;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

class MachineCodeTest {
    @Test
    void theSwitchTurnsItOff() {
        Found found = MachineCode.find("off", "Linux", "amd64");

        assertThat(found.kernels()).isNull();
        assertThat(found.cpu()).isNull();
        assertThat(found.detail()).isEqualTo("turned off by -Dpalimpsest.x86=off");
    }

    @Test
    void otherProcessorsAndSystemsAreNamed() {
        assertThat(MachineCode.find("", "Linux", "aarch64").detail())
                .isEqualTo("this processor is aarch64, not x86-64; nothing can be done");
        assertThat(MachineCode.find("", "Windows 11", "amd64").detail())
                .isEqualTo("machine code is written for Linux only, and this is Windows 11");
    }

    @Test
    void saysWhatItComputesWithOrWhyNot() {
        assertThat(MachineCode.detail()).isNotEmpty();
        if (MachineCode.isAvailable()) {
            assertThat(MachineCode.detail()).startsWith("AVX-512 machine code");
            assertThat(MachineCode.cpu())
                    .hasValueSatisfying(cpu -> assertThat(cpu.has("avx512f")).isTrue());
            assertThat(MachineCode.kernels().supports(TileType.F32)).isTrue();
        } else {
            assertThatThrownBy(MachineCode::kernels).hasMessageContaining(MachineCode.detail());
        }
    }

    @Test
    void everyKernelPassesTheSelfTest() {
        assumeTrue(MachineCode.isAvailable(), MachineCode.detail());
        SelfTest test = new SelfTest(MachineCode.kernels());
        for (TileType type : TileType.values()) {
            if (MachineCode.kernels().supports(type)) {
                for (int rows = 1; rows <= type.rows(); rows++) {
                    for (int vectors = 1; vectors <= 2; vectors++) {
                        try (Arena arena = Arena.ofConfined()) {
                            assertThat(test.isExact(type, rows, vectors, arena))
                                    .as("%s, %d rows, %d vectors", type, rows, vectors)
                                    .isTrue();
                        }
                    }
                }
            }
        }
    }

    @Test
    void theSelfTestNoticesAWrongKernel() {
        assumeTrue(MachineCode.isAvailable(), MachineCode.detail());
        MicroKernels broken = new Broken() {
            @Override
            Program tile(Tile tile) {
                return nothing();
            }
        };

        assertThat(new SelfTest(broken).firstFailure()).isEqualTo("a tile of F32 has wrong sums");
    }

    @Test
    void theSelfTestNoticesAWrongPieceOfAttention() {
        assumeTrue(MachineCode.isAvailable(), MachineCode.detail());
        MicroKernels whole = MachineCode.kernels();
        for (Class<?> wrong : Piece.class.getPermittedSubclasses()) {
            for (boolean pairs : new boolean[] {false, true}) {
                if (pairs && !whole.supports(TileType.BF16)) {
                    continue;
                }
                MicroKernels broken = new Broken() {
                    @Override
                    Program attention(Piece piece) {
                        return wrong.isInstance(piece) ? nothing() : whole.attention(piece);
                    }
                };
                try (Arena arena = Arena.ofConfined()) {
                    assertThat(new AttentionSelfTest(whole, pairs, arena).passes())
                            .isTrue();
                    assertThat(new AttentionSelfTest(broken, pairs, arena).passes())
                            .as(wrong.getSimpleName())
                            .isFalse();
                }
            }
        }
    }

    private static class Broken extends MicroKernels {
        Broken() {
            super(new ExecutableMemory(), new Cpuid("", new TreeSet<>()));
        }

        /// A program that returns at once.
        static Program nothing() {
            Assembler a = new Assembler();
            a.ret();
            return new ExecutableMemory().install(a.toBytes(), Arena.ofAuto());
        }

        @Override
        boolean supports(TileType type) {
            return true;
        }
    }
}
