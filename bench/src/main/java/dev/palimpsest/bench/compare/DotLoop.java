package dev.palimpsest.bench.compare;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.palimpsest.kernels.CpuFeatures;
import java.io.ByteArrayOutputStream;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandleProxies;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.jspecify.annotations.Nullable;

/// A loop of dot-product instructions on registers alone: how fast a processor multiplies narrow numbers at best, which
/// Java cannot say itself. Linux on x86-64 with AVX-512 only.
final class DotLoop {
    /// Independent sums, enough to hide the latency of two units.
    static final int CHAINS = 24;

    private static final int LANES = 16;
    private static final int FACTORS = 24;
    private static final int PAGE = 4096;
    private static final int READ = 1;
    private static final int WRITE = 2;
    private static final int EXECUTE = 4;
    private static final int PRIVATE_ANONYMOUS = 0x22;

    private final Loop loop;
    private final int terms;

    /// The machine code.
    @FunctionalInterface
    public interface Loop {
        /// Runs it this many times.
        void run(long times);
    }

    /// `mmap`.
    @FunctionalInterface
    public interface Map {
        /// See its manual page.
        MemorySegment call(MemorySegment address, long length, int protection, int flags, int file, long offset);
    }

    /// `mprotect`.
    @FunctionalInterface
    public interface Protect {
        /// See its manual page.
        int call(MemorySegment address, long length, int protection);
    }

    private DotLoop(Loop loop, int terms) {
        this.loop = loop;
        this.terms = terms;
    }

    /// `vdpbf16ps`: pairs of bf16, added to f32. Null where it does not exist.
    static @Nullable DotLoop bf16() {
        return of("avx512_bf16", 0x52, 2, 2);
    }

    /// `vpdpbusd`: quadruples of 8-bit integers, added to 32-bit ones. Null where it does not exist.
    static @Nullable DotLoop int8() {
        return of("avx512_vnni", 0x50, 1, 4);
    }

    /// Operations of one turn of the loop, multiplications and additions.
    double operations() {
        return 2.0 * CHAINS * LANES * terms;
    }

    /// Runs the loop.
    void run(long times) {
        loop.run(times);
    }

    private static @Nullable DotLoop of(String flag, int opcode, int prefix, int terms) {
        CpuFeatures cpu = CpuFeatures.detect();
        if (!cpu.os().equals("Linux") || !cpu.architecture().equals("amd64") || !cpu.has(flag)) {
            return null;
        }
        ByteArrayOutputStream code = new ByteArrayOutputStream();
        for (int i = 0; i <= FACTORS; i++) {
            vector(code, 1, 0xef, 1, i, i, i); // vpxord: set to 0
        }
        int top = code.size();
        for (int i = 0; i < CHAINS; i++) {
            vector(code, prefix, opcode, 2, i, FACTORS, FACTORS);
        }
        code.writeBytes(new byte[] {0x48, (byte) 0xff, (byte) 0xcf, 0x0f, (byte) 0x85}); // dec rdi; jnz top
        int next = code.size() + Integer.BYTES;
        code.writeBytes(ByteBuffer.allocate(Integer.BYTES)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(top - next)
                .array());
        code.writeBytes(new byte[] {(byte) 0xc5, (byte) 0xf8, 0x77, (byte) 0xc3}); // vzeroupper; ret
        return new DotLoop(executable(code.toByteArray()), terms);
    }

    /// One instruction on 512-bit registers (Intel's manual, volume 2, section 2.7: the EVEX prefix).
    ///
    /// @param prefix 1 for 66, 2 for F3
    /// @param map 1 for the opcodes behind 0F, 2 for those behind 0F38
    private static void vector(ByteArrayOutputStream code, int prefix, int opcode, int map, int to, int a, int b) {
        code.write(0x62);
        code.write(not(to, 3) << 7 | not(b, 4) << 6 | not(b, 3) << 5 | not(to, 4) << 4 | map);
        code.write((~a & 15) << 3 | 4 | prefix);
        code.write(0x40 | not(a, 4) << 3);
        code.write(opcode);
        code.write(0xc0 | (to & 7) << 3 | (b & 7));
    }

    private static int not(int register, int bit) {
        return ~(register >> bit) & 1;
    }

    @SuppressWarnings("restricted")
    private static Loop executable(byte[] code) {
        Linker linker = Linker.nativeLinker();
        Map map = function(
                Map.class,
                linker.defaultLookup().findOrThrow("mmap"),
                FunctionDescriptor.of(ADDRESS, ADDRESS, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG));
        Protect protect = function(
                Protect.class,
                linker.defaultLookup().findOrThrow("mprotect"),
                FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, JAVA_INT));
        MemorySegment page = map.call(MemorySegment.NULL, PAGE, READ | WRITE, PRIVATE_ANONYMOUS, -1, 0);
        if (page.address() == -1) {
            throw new IllegalStateException("no page for machine code");
        }
        page.reinterpret(PAGE).asSlice(0, code.length).copyFrom(MemorySegment.ofArray(code));
        if (protect.call(page, PAGE, READ | EXECUTE) != 0) {
            throw new IllegalStateException("this system does not let a process make code executable");
        }
        return function(Loop.class, page, FunctionDescriptor.ofVoid(JAVA_LONG));
    }

    @SuppressWarnings("restricted")
    private static <T> T function(Class<T> type, MemorySegment address, FunctionDescriptor descriptor) {
        MethodHandle handle = Linker.nativeLinker().downcallHandle(address, descriptor);
        return MethodHandleProxies.asInterfaceInstance(type, handle);
    }
}
