package dev.palimpsest.bench.compare;

import java.lang.management.ManagementFactory;
import java.util.Set;
import java.util.concurrent.locks.LockSupport;
import javax.management.JMException;
import javax.management.MBeanServer;
import javax.management.ObjectName;

/// What HotSpot's just-in-time compiler is doing, by the diagnostic command `Compiler.queue`. A time that was taken
/// while it was at work says little.
final class JitCompiler {
    private static final Set<String> NOTHING =
            Set.of("", "Empty", "Current compiles:", "C1 compile queue:", "C2 compile queue:");
    private static final long LOOK_NANOS = 2_000_000;

    private final MBeanServer server = ManagementFactory.getPlatformMBeanServer();
    private boolean known = true;

    /// Whether nothing is being compiled and nothing waits to be; also where there is no telling.
    boolean isIdle() {
        if (!known) {
            return true;
        }
        try {
            ObjectName name = new ObjectName("com.sun.management:type=DiagnosticCommand");
            Object queue = server.invoke(name, "compilerQueue", new Object[0], new String[0]);
            return isIdle(String.valueOf(queue));
        } catch (JMException e) {
            known = false;
            return true;
        }
    }

    static boolean isIdle(String queue) {
        return queue.lines().map(String::strip).allMatch(NOTHING::contains);
    }

    /// Waits until it has nothing to do.
    ///
    /// @param seconds for which to wait at most
    /// @return whether there was nothing to wait for
    boolean await(double seconds) {
        if (isIdle()) {
            return true;
        }
        long end = System.nanoTime() + (long) (seconds * 1e9);
        do {
            LockSupport.parkNanos(LOOK_NANOS);
        } while (!isIdle() && System.nanoTime() < end);
        return false;
    }
}
