package dev.palimpsest.kernels.vector;

import java.io.IOException;
import java.io.InputStream;
import java.lang.constant.ConstantDescs;
import java.lang.invoke.MethodHandles;
import java.util.Collection;
import java.util.HashMap;
import java.util.Map;

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
/// A template is a top-level class of this package with a constructor without parameters that reads its constant with
/// [#constant].
///
/// @param <C> the constants
/// @param <T> the interface that the template implements
final class Specialized<C, T> {
    private final Map<C, T> copies;

    /// One copy of `template` for each of the constants.
    Specialized(Class<? extends T> template, Class<T> type, Collection<? extends C> constants) {
        Map<C, T> all = new HashMap<>();
        for (C constant : constants) {
            all.put(constant, copy(template, type, constant));
        }
        copies = Map.copyOf(all);
    }

    /// The copy for a constant.
    ///
    /// @throws IllegalArgumentException if there is none
    T get(C constant) {
        T copy = copies.get(constant);
        if (copy == null) {
            throw new IllegalArgumentException("no loop was specialised for " + constant);
        }
        return copy;
    }

    /// A new instance of a new copy of `template` whose constant is `constant`.
    private static <T> T copy(Class<? extends T> template, Class<T> type, Object constant) {
        String file = template.getSimpleName() + ".class";
        try (InputStream in = template.getResourceAsStream(file)) {
            if (in == null) {
                throw new IllegalStateException("class file " + file + " not found");
            }
            Class<?> copy = MethodHandles.lookup()
                    .defineHiddenClassWithClassData(in.readAllBytes(), constant, false)
                    .lookupClass();
            return type.cast(copy.getDeclaredConstructor().newInstance());
        } catch (IOException | ReflectiveOperationException e) {
            throw new IllegalStateException("cannot specialize " + template.getName() + " for " + constant, e);
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
