package dev.palimpsest.kernels.vector;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassModel;
import java.lang.constant.ClassDesc;
import java.lang.constant.ConstantDescs;
import java.lang.invoke.MethodHandles;
import java.util.Collection;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/// Copies of a loop class, one for each value of a constant.
///
/// The just-in-time compiler keeps one profile and one compilation per method. A loop that is shared by twenty
/// functions,
/// called through an interface, would box every vector; twenty loops written out would be twenty times the same text.
/// So a
/// loop class is written once with its function in a `static final` field, and this class defines a hidden class from
/// the same
/// bytes for each function. In every copy the field is a compile-time constant, the branches on it disappear, and the
/// function is inlined into its own loop.
///
/// On the way, methods marked [Inline] are copied into the loops, and the loops made too long to be inlined into their
/// callers (see [Inliner]). Left to itself the compiler decides about both by what it has counted so far: a helper that
/// was
/// compiled before its caller, or a loop that is inlined into a caller when only a few rows have gone by, stays a call
/// for good,
/// and every vector that passes it becomes an object on the heap, at a tenth of the speed.
///
/// A template is a top-level class of this package with a constructor without parameters. It reads its constant with
/// [#constant].
///
/// @param <C> the constants
/// @param <T> the interface that the template implements
final class Specialized<C, T> {
    private final Class<? extends T> template;
    private final Class<T> type;
    private final Set<C> constants;
    private final Map<C, T> copies = new ConcurrentHashMap<>();

    /// Copies of `template` for these constants, each made when it is first asked for: a program uses few of them.
    Specialized(Class<? extends T> template, Class<T> type, Collection<? extends C> constants) {
        this.template = template;
        this.type = type;
        this.constants = Set.copyOf(constants);
    }

    /// The copy of a template that has no constant.
    static <T> T only(Class<? extends T> template, Class<T> type) {
        return copy(inlined(template), type, template.getName());
    }

    /// The copy for a constant.
    ///
    /// @throws IllegalArgumentException if there is none
    T get(C constant) {
        T copy = copies.get(constant);
        if (copy != null) {
            return copy;
        }
        if (!constants.contains(constant)) {
            throw new IllegalArgumentException("no loop can be specialised for " + constant);
        }
        return copies.computeIfAbsent(constant, c -> copy(inlined(template), type, c));
    }

    private static byte[] inlined(Class<?> template) {
        return new Inliner(Specialized::parse).transform(parse(template));
    }

    /// A new instance of a new class.
    private static <T> T copy(byte[] bytes, Class<T> type, Object constant) {
        try {
            Class<?> copy = MethodHandles.lookup()
                    .defineHiddenClassWithClassData(bytes, constant, false)
                    .lookupClass();
            return type.cast(copy.getDeclaredConstructor().newInstance());
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException("cannot specialize a " + type.getSimpleName() + " for " + constant, e);
        }
    }

    private static ClassModel parse(Class<?> type) {
        String file = type.getName().substring(type.getPackageName().length() + 1) + ".class";
        try (InputStream in = type.getResourceAsStream(file)) {
            if (in == null) {
                throw new IllegalStateException("class file " + file + " not found");
            }
            return ClassFile.of().parse(in.readAllBytes());
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read class file " + file, e);
        }
    }

    /// A class of this package by its descriptor, null for all others.
    private static @Nullable ClassModel parse(ClassDesc type) {
        if (!type.packageName().equals(Specialized.class.getPackageName())) {
            return null;
        }
        try {
            return parse(Class.forName(
                    type.packageName() + "." + type.displayName(), false, Specialized.class.getClassLoader()));
        } catch (ClassNotFoundException e) {
            throw new IllegalStateException("class " + type.displayName() + " not found", e);
        }
    }

    /// The constant of the copy whose lookup is given.
    static <T> T constant(MethodHandles.Lookup copy, Class<T> type) {
        try {
            T constant = MethodHandles.classData(copy, ConstantDescs.DEFAULT_NAME, type);
            if (constant == null) {
                throw new IllegalStateException(copy.lookupClass().getName() + " is a template, not a copy");
            }
            return constant;
        } catch (IllegalAccessException e) {
            throw new IllegalStateException("cannot read the constant of " + copy.lookupClass(), e);
        }
    }
}
