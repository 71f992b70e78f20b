package dev.palimpsest.kernels.x86;

import static dev.palimpsest.kernels.x86.Gpr.RAX;
import static dev.palimpsest.kernels.x86.Gpr.RBX;
import static dev.palimpsest.kernels.x86.Gpr.RCX;
import static dev.palimpsest.kernels.x86.Gpr.RDI;
import static dev.palimpsest.kernels.x86.Gpr.RDX;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.palimpsest.kernels.x86.Operand.Memory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.SortedSet;
import java.util.TreeSet;

/// What an x86-64 processor says of itself through the instructions `cpuid` and `xgetbv`: which instruction sets it
/// has and for which of them the operating system saves the registers.
///
/// Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2A, CPUID, and volume 1, 13.3 for the
/// state components in XCR0.
///
/// @param model the processor's name for itself
/// @param flags instruction sets that programs can use, named as Linux does: `avx2`, `avx512_bf16`
public record Cpuid(String model, SortedSet<String> flags) {
    private static final int EAX = 0;
    private static final int EBX = 1;
    private static final int ECX = 2;
    private static final int EDX = 3;

    /// The registers xmm, and the upper halves of ymm.
    private static final int YMM_STATE = 0b110;

    /// The masks, the upper halves of zmm0 to zmm15, and zmm16 to zmm31.
    private static final int ZMM_STATE = 0b1110_0000 | YMM_STATE;

    /// The tiles of AMX and their shapes.
    private static final int TILE_STATE = 0b11 << 17;

    /// One bit of an answer.
    ///
    /// @param leaf question
    /// @param subleaf part of the question
    /// @param register which part of the answer
    /// @param state bits of XCR0 that must be set for programs to use the instructions
    private record Flag(String name, int leaf, int subleaf, int register, int bit, int state) {}

    private static final List<Flag> FLAGS = List.of(
            new Flag("sse4_1", 1, 0, ECX, 19, 0),
            new Flag("sse4_2", 1, 0, ECX, 20, 0),
            new Flag("avx", 1, 0, ECX, 28, YMM_STATE),
            new Flag("f16c", 1, 0, ECX, 29, YMM_STATE),
            new Flag("fma", 1, 0, ECX, 12, YMM_STATE),
            new Flag("avx2", 7, 0, EBX, 5, YMM_STATE),
            new Flag("bmi2", 7, 0, EBX, 8, 0),
            new Flag("avx512f", 7, 0, EBX, 16, ZMM_STATE),
            new Flag("avx512dq", 7, 0, EBX, 17, ZMM_STATE),
            new Flag("avx512ifma", 7, 0, EBX, 21, ZMM_STATE),
            new Flag("avx512cd", 7, 0, EBX, 28, ZMM_STATE),
            new Flag("avx512bw", 7, 0, EBX, 30, ZMM_STATE),
            new Flag("avx512vl", 7, 0, EBX, 31, ZMM_STATE),
            new Flag("avx512vbmi", 7, 0, ECX, 1, ZMM_STATE),
            new Flag("avx512_vbmi2", 7, 0, ECX, 6, ZMM_STATE),
            new Flag("avx512_vnni", 7, 0, ECX, 11, ZMM_STATE),
            new Flag("avx512_bitalg", 7, 0, ECX, 12, ZMM_STATE),
            new Flag("avx512_vpopcntdq", 7, 0, ECX, 14, ZMM_STATE),
            new Flag("avx512_vp2intersect", 7, 0, EDX, 8, ZMM_STATE),
            new Flag("amx_bf16", 7, 0, EDX, 22, TILE_STATE),
            new Flag("avx512_fp16", 7, 0, EDX, 23, ZMM_STATE),
            new Flag("amx_tile", 7, 0, EDX, 24, TILE_STATE),
            new Flag("amx_int8", 7, 0, EDX, 25, TILE_STATE),
            new Flag("avx_vnni", 7, 1, EAX, 4, YMM_STATE),
            new Flag("avx512_bf16", 7, 1, EAX, 5, ZMM_STATE));

    /// Asks the processor that this runs on.
    ///
    /// @throws IllegalStateException if the operating system refuses to execute the program that asks
    static Cpuid read(ExecutableMemory memory) {
        try (Arena arena = Arena.ofShared()) {
            Program ask = memory.install(cpuidProgram(), arena);
            Program state = memory.install(xgetbvProgram(), arena);
            MemorySegment answer = arena.allocate(16, 16);
            int highest = ask(ask, answer, 0, 0)[EAX];
            boolean managed = bit(ask(ask, answer, 1, 0)[ECX], 27); // OSXSAVE: xgetbv may be executed
            int enabled = 0;
            if (managed) {
                state.run(answer.address());
                enabled = answer.get(JAVA_INT, 0);
            }
            int subleaves = highest >= 7 ? ask(ask, answer, 7, 0)[EAX] : -1;
            SortedSet<String> flags = new TreeSet<>();
            for (Flag f : FLAGS) {
                boolean known = f.leaf <= highest && (f.leaf != 7 || f.subleaf <= subleaves);
                if (known
                        && bit(ask(ask, answer, f.leaf, f.subleaf)[f.register], f.bit)
                        && (enabled & f.state) == f.state) {
                    flags.add(f.name);
                }
            }
            return new Cpuid(model(ask, answer), flags);
        }
    }

    private static String model(Program ask, MemorySegment answer) {
        int first = 0x8000_0002;
        StringBuilder name = new StringBuilder();
        if (Integer.compareUnsigned(ask(ask, answer, 0x8000_0000, 0)[EAX], first + 2) >= 0) {
            for (int i = 0; i < 3; i++) {
                ask(ask, answer, first + i, 0);
                byte[] part = answer.toArray(JAVA_BYTE);
                name.append(new String(part, StandardCharsets.US_ASCII));
            }
        }
        return name.toString().replace('\0', ' ').strip().replaceAll(" +", " ");
    }

    private static boolean bit(int number, int position) {
        return ((number >> position) & 1) == 1;
    }

    private static int[] ask(Program program, MemorySegment block, int leaf, int subleaf) {
        block.set(JAVA_INT, 0, leaf);
        block.set(JAVA_INT, 8, subleaf);
        program.run(block.address());
        return block.toArray(JAVA_INT);
    }

    /// The question is in the block that `rdi` points to, the answer overwrites it.
    private static byte[] cpuidProgram() {
        Assembler a = new Assembler();
        a.push(RBX);
        a.mov32(RAX, Memory.at(RDI));
        a.mov32(RCX, Memory.at(RDI, 8));
        a.cpuid();
        a.mov32(Memory.at(RDI), RAX);
        a.mov32(Memory.at(RDI, 4), RBX);
        a.mov32(Memory.at(RDI, 8), RCX);
        a.mov32(Memory.at(RDI, 12), RDX);
        a.pop(RBX);
        a.ret();
        return a.toBytes();
    }

    private static byte[] xgetbvProgram() {
        Assembler a = new Assembler();
        a.mov(RCX, 0);
        a.xgetbv();
        a.mov32(Memory.at(RDI), RAX);
        a.ret();
        return a.toBytes();
    }

    /// Whether programs can use an instruction set.
    boolean has(String flag) {
        return flags.contains(flag);
    }
}
