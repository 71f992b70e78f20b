package dev.palimpsest.tensor.nn;

import dev.palimpsest.kernels.Arithmetic;
import dev.palimpsest.tensor.Recorder;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;

/// A part of a network: named parameters, named parts, and a forward method that the subclass defines with the
/// signature it needs.
///
/// Names mirror the keys of the checkpoint, so the path of a parameter (`blocks.3.attn.proj_out.all.weight`) is its
/// key and the path of a part (`blocks.3.attn`) names its output for an [Observer]. A forward method passes its result
/// through [#observe].
///
/// A module can be the result of a scope: its parameters then escape with it.
public abstract class Module implements Scope.Holder {
    private final Map<String, Module> children = new LinkedHashMap<>();
    private final Map<String, Parameter> parameters = new LinkedHashMap<>();
    private @Nullable Module parent;
    private @Nullable PackedWeights attached;
    private String name = "";

    /// For subclasses, which register their parts in their constructors.
    protected Module() {}

    /// Registers a part under a name; returns it.
    ///
    /// @throws IllegalArgumentException if the name is taken or the part already belongs somewhere
    protected final <M extends Module> M child(String name, M module) {
        Module part = module;
        if (part.parent != null || children.containsKey(name)) {
            throw new IllegalArgumentException(
                    "module: part " + name + " is registered already" + (path().isEmpty() ? "" : " in " + path()));
        }
        part.parent = this;
        part.name = name;
        children.put(name, part);
        return module;
    }

    /// Registers parts under `name.0`, `name.1`, ...; returns them.
    protected final <M extends Module> List<M> children(String name, List<M> modules) {
        for (int i = 0; i < modules.size(); i++) {
            child(name + "." + i, modules.get(i));
        }
        return List.copyOf(modules);
    }

    /// Registers a parameter under a name; returns it.
    protected final Parameter parameter(String name, Tensor value) {
        Parameter parameter = new Parameter(value);
        if (parameters.putIfAbsent(name, parameter) != null) {
            throw new IllegalArgumentException("module: parameter " + name + " is registered already");
        }
        return parameter;
    }

    /// Told by [PackedWeights#attach] where packed copies of this module's own weights are kept, those of its children
    /// aside. Modules that have none to keep ignore it.
    protected void packInto(PackedWeights weights) {}

    final void attach(PackedWeights weights) {
        attached = weights;
        packInto(weights);
    }

    /// The packed weights that this module belongs to; null if there are none, and where they have no say: once they
    /// are closed, and while a tape records.
    final @Nullable PackedWeights attached() {
        PackedWeights weights = attached;
        return weights != null && weights.isOpen() && Recorder.current() == null ? weights : null;
    }

    /// The arithmetic of what is defined for floating-point numbers only, attention and convolutions: bf16 if the
    /// module was attached to [PackedWeights] of that arithmetic, else f32.
    protected final Arithmetic floatArithmetic() {
        PackedWeights weights = attached();
        return weights != null && weights.arithmetic() == Arithmetic.BF16 ? Arithmetic.BF16 : Arithmetic.F32;
    }

    /// Names from the root to here, joined by dots; empty for the root.
    public final String path() {
        if (parent == null) {
            return name;
        }
        String above = parent.path();
        return above.isEmpty() ? name : above + "." + name;
    }

    /// The direct parts by name, in the order of registration.
    public final Map<String, Module> children() {
        return Collections.unmodifiableMap(children);
    }

    /// The parameters of this part and all parts inside it by path relative to this part, in the order of
    /// registration.
    public final Map<String, Parameter> parameters() {
        Map<String, Parameter> all = new LinkedHashMap<>();
        collect("", all::put);
        return all;
    }

    /// The tensors of all parameters.
    @Override
    public Iterable<Tensor> tensors() {
        return parameters().values().stream().map(Parameter::value).toList();
    }

    private void collect(String prefix, BiConsumer<String, Parameter> sink) {
        parameters.forEach((n, p) -> sink.accept(prefix + n, p));
        children.forEach((n, m) -> m.collect(prefix + n + ".", sink));
    }

    /// The part at a path below this one.
    ///
    /// @throws IllegalArgumentException if there is none
    public final Module at(String path) {
        for (Map.Entry<String, Module> e : children.entrySet()) {
            String n = e.getKey();
            if (path.equals(n)) {
                return e.getValue();
            }
            if (path.startsWith(n + ".")) {
                Module inside = e.getValue();
                return inside.at(path.substring(n.length() + 1));
            }
        }
        throw new IllegalArgumentException("module: there is no part " + path
                + (path().isEmpty() ? "" : " in " + path()) + "; parts are " + children.keySet());
    }

    /// Shows the output of this part to the observer in force, if any, and returns what it wants to go on with.
    protected final Tensor observe(Tensor output) {
        Observer observer = Observer.current();
        return observer == null ? output : observer.output(path(), output);
    }

    /// Shows one of several outputs of this part, or an intermediate value, under `path.label`.
    protected final Tensor observe(String label, Tensor output) {
        Observer observer = Observer.current();
        return observer == null ? output : observer.output(path().isEmpty() ? label : path() + "." + label, output);
    }
}
