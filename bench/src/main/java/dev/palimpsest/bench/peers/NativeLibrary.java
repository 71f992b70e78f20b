package dev.palimpsest.bench.peers;

import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandleProxies;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;

/// A shared library of Linux on x86-64 out of the folder to which the Maven profile `peers` unpacks them.
///
/// All functions are called through one signature, sixteen whole numbers and two floating-point ones. The calling
/// convention of this platform (System V ABI, AMD64 supplement 1.0, section 3.2.3) puts pointers, integers, and the
/// halves of small structures alike into the same six registers and then onto the stack, floating-point arguments into
/// others, and a callee does not see what is left over.
final class NativeLibrary {
    /// System property for the folder of the libraries.
    static final String FOLDER_PROPERTY = "palimpsest.bench.peers";

    private static final int WORDS = 16;

    private final String name;
    private final SymbolLookup symbols;

    /// Any function.
    public interface Function {
        /// Calls it.
        long call(
                long a0,
                long a1,
                long a2,
                long a3,
                long a4,
                long a5,
                long a6,
                long a7,
                long a8,
                long a9,
                long a10,
                long a11,
                long a12,
                long a13,
                long a14,
                long a15,
                double x,
                double y);

        /// Calls it with at most sixteen whole numbers.
        default long of(long... a) {
            return with(0, 0, a);
        }

        /// Calls it with up to two floating-point numbers and sixteen whole ones.
        default long with(double x, double y, long... words) {
            long[] a = words.length == WORDS ? words : Arrays.copyOf(words, WORDS);
            return call(
                    a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9], a[10], a[11], a[12], a[13], a[14],
                    a[15], x, y);
        }
    }

    /// Loads a library.
    ///
    /// @param name what people call it
    /// @param path where it lies in the folder
    /// @throws PeerUnavailableException if it is not there or cannot be loaded
    @SuppressWarnings("restricted")
    NativeLibrary(String name, String path) {
        this.name = name;
        if (!System.getProperty("os.name").equals("Linux")
                || !System.getProperty("os.arch").equals("amd64")) {
            throw new PeerUnavailableException(name + ": its library is fetched for Linux on x86-64 only");
        }
        Path file = folder().resolve(path);
        if (!Files.exists(file)) {
            throw new PeerUnavailableException(
                    name + ": " + file + " is missing; ./mvnw -Ppeers -pl bench dependency:unpack@peers fetches it");
        }
        try {
            symbols = SymbolLookup.libraryLookup(file, Arena.global());
        } catch (IllegalArgumentException e) {
            throw new PeerUnavailableException(name + ": " + file + " cannot be loaded: " + e.getMessage());
        }
    }

    private static Path folder() {
        String folder = System.getProperty(FOLDER_PROPERTY);
        if (folder != null) {
            return Path.of(folder).toAbsolutePath();
        }
        try {
            Path program = Path.of(NativeLibrary.class
                    .getProtectionDomain()
                    .getCodeSource()
                    .getLocation()
                    .toURI());
            return program.resolveSibling("peers").toAbsolutePath();
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    /// The address of a symbol.
    ///
    /// @throws PeerUnavailableException if there is none
    MemorySegment symbol(String symbol) {
        return symbols.find(symbol)
                .orElseThrow(() -> new PeerUnavailableException(name + ": this version has no " + symbol));
    }

    /// A function without floating-point arguments of single precision.
    Function function(String symbol) {
        return function(symbol(symbol));
    }

    /// The function at an address.
    @SuppressWarnings("restricted")
    static Function function(MemorySegment address) {
        MemoryLayout[] parameters = Collections.nCopies(WORDS + 2, JAVA_LONG).toArray(MemoryLayout[]::new);
        parameters[WORDS] = JAVA_DOUBLE;
        parameters[WORDS + 1] = JAVA_DOUBLE;
        return proxy(Function.class, address, FunctionDescriptor.of(JAVA_LONG, parameters));
    }

    /// A function with a signature of its own.
    @SuppressWarnings("restricted")
    static <T> T proxy(Class<T> type, MemorySegment address, FunctionDescriptor descriptor) {
        MethodHandle handle = Linker.nativeLinker().downcallHandle(address, descriptor);
        return MethodHandleProxies.asInterfaceInstance(type, handle);
    }
}
