package dev.palimpsest.bench.compare;

import dev.palimpsest.bench.peers.OneDnn;
import dev.palimpsest.bench.peers.OnnxRuntime;
import dev.palimpsest.bench.peers.OpenBlas;
import dev.palimpsest.bench.peers.PeerUnavailableException;
import dev.palimpsest.bench.peers.Torch;
import java.io.PrintStream;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// The libraries to compare with, those that are here.
///
/// @param torch libtorch, or null
/// @param oneDnn oneDNN, or null
/// @param openBlas OpenBLAS, or null
/// @param onnxRuntime ONNX Runtime, or null
record Peers(
        @Nullable Torch torch,
        @Nullable OneDnn oneDnn,
        @Nullable OpenBlas openBlas,
        @Nullable OnnxRuntime onnxRuntime) {

    /// Loads them; for each that does not load, prints one sentence that says why.
    static Peers load(PrintStream log) {
        return new Peers(
                loaded(Torch::new, log),
                loaded(OneDnn::new, log),
                loaded(OpenBlas::new, log),
                loaded(OnnxRuntime::new, log));
    }

    private static <T> @Nullable T loaded(Supplier<T> library, PrintStream log) {
        try {
            return library.get();
        } catch (PeerUnavailableException e) {
            log.println(e.getMessage());
            return null;
        }
    }

    /// Sets the number of threads of all of them.
    void threads(int n) {
        if (torch != null) {
            torch.threads(n);
        }
        if (oneDnn != null) {
            oneDnn.threads(n);
        }
        if (openBlas != null) {
            openBlas.threads(n);
        }
        if (onnxRuntime != null) {
            onnxRuntime.threads(n);
        }
    }
}
