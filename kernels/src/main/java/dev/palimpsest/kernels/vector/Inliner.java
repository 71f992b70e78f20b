package dev.palimpsest.kernels.vector;

import java.lang.classfile.Attributes;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassModel;
import java.lang.classfile.ClassTransform;
import java.lang.classfile.CodeBuilder;
import java.lang.classfile.CodeElement;
import java.lang.classfile.CodeModel;
import java.lang.classfile.Label;
import java.lang.classfile.MethodModel;
import java.lang.classfile.Opcode;
import java.lang.classfile.PseudoInstruction;
import java.lang.classfile.TypeKind;
import java.lang.classfile.attribute.CodeAttribute;
import java.lang.classfile.instruction.BranchInstruction;
import java.lang.classfile.instruction.IncrementInstruction;
import java.lang.classfile.instruction.InvokeInstruction;
import java.lang.classfile.instruction.LabelTarget;
import java.lang.classfile.instruction.LoadInstruction;
import java.lang.classfile.instruction.LookupSwitchInstruction;
import java.lang.classfile.instruction.ReturnInstruction;
import java.lang.classfile.instruction.StoreInstruction;
import java.lang.classfile.instruction.TableSwitchInstruction;
import java.lang.constant.ClassDesc;
import java.lang.constant.MethodTypeDesc;
import java.lang.reflect.AccessFlag;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// Copies the bodies of methods marked [Inline] into the methods that call them, in the class file.
final class Inliner {
    /// Methods with more bytes of code than this are never inlined into their callers (the compiler's
    /// `FreqInlineSize`).
    private static final int INLINED_BYTES = 325;

    private final Function<ClassDesc, @Nullable ClassModel> classes;
    private final Map<ClassDesc, @Nullable ClassModel> parsed = new HashMap<>();
    private final Map<String, @Nullable MethodModel> marked = new HashMap<>();

    /// @param classes finds the classes whose methods may be copied, null for all others
    Inliner(Function<ClassDesc, @Nullable ClassModel> classes) {
        this.classes = classes;
    }

    /// The class with the marked methods copied into its public ones. Public methods are also filled up with
    /// instructions that
    /// do nothing until they are too long to be inlined themselves.
    byte[] transform(ClassModel model) {
        return ClassFile.of()
                .transformClass(
                        model,
                        ClassTransform.transformingMethods(m -> m.flags().has(AccessFlag.PUBLIC), (method, element) -> {
                            if (element instanceof CodeModel code) {
                                method.withCode(b -> fill(b, code));
                            } else {
                                method.with(element);
                            }
                        }));
    }

    private void fill(CodeBuilder b, CodeModel code) {
        for (int i = 0; i < INLINED_BYTES; i++) {
            b.nop();
        }
        copy(b, code, 0, null);
    }

    /// Copies code.
    ///
    /// @param base by how much its local variables move up
    /// @param end where a return jumps to, null to return
    private void copy(CodeBuilder b, CodeModel code, int base, @Nullable Label end) {
        Map<Label, Label> labels = new HashMap<>();
        Function<Label, Label> renamed = l -> labels.computeIfAbsent(l, old -> b.newLabel());
        int top = base + ((CodeAttribute) code).maxLocals();
        for (CodeElement e : code) {
            switch (e) {
                case LabelTarget t -> b.labelBinding(renamed.apply(t.label()));
                case BranchInstruction i -> b.branch(i.opcode(), renamed.apply(i.target()));
                case LoadInstruction i -> b.loadLocal(i.typeKind(), base + i.slot());
                case StoreInstruction i -> b.storeLocal(i.typeKind(), base + i.slot());
                case IncrementInstruction i -> b.iinc(base + i.slot(), i.constant());
                case ReturnInstruction i -> leave(b, i, end);
                case InvokeInstruction i -> invoke(b, i, top);
                case TableSwitchInstruction i -> throw new IllegalStateException("cannot copy " + i);
                case LookupSwitchInstruction i -> throw new IllegalStateException("cannot copy " + i);
                case PseudoInstruction i -> {}
                default -> b.with(e);
            }
        }
    }

    private static void leave(CodeBuilder b, ReturnInstruction instruction, @Nullable Label end) {
        if (end == null) {
            b.with(instruction);
        } else {
            b.goto_(end);
        }
    }

    /// A call whose arguments are on the stack: they become local variables of the copy.
    private void invoke(CodeBuilder b, InvokeInstruction instruction, int base) {
        MethodModel callee = find(instruction);
        if (callee == null) {
            b.with(instruction);
            return;
        }
        MethodTypeDesc type = callee.methodTypeSymbol();
        int slot = base;
        for (ClassDesc parameter : type.parameterList()) {
            slot += TypeKind.from(parameter).slotSize();
        }
        for (int i = type.parameterCount() - 1; i >= 0; i--) {
            TypeKind kind = TypeKind.from(type.parameterType(i));
            slot -= kind.slotSize();
            b.storeLocal(kind, slot);
        }
        Label end = b.newLabel();
        copy(b, callee.code().orElseThrow(), base, end);
        b.labelBinding(end);
    }

    private @Nullable MethodModel find(InvokeInstruction call) {
        if (call.opcode() != Opcode.INVOKESTATIC) {
            return null;
        }
        String key = call.owner().asInternalName() + "." + call.name() + call.type();
        if (!marked.containsKey(key)) {
            marked.put(key, search(call));
        }
        return marked.get(key);
    }

    private @Nullable MethodModel search(InvokeInstruction call) {
        ClassDesc name = call.owner().asSymbol();
        if (!parsed.containsKey(name)) {
            parsed.put(name, classes.apply(name));
        }
        ClassModel owner = parsed.get(name);
        if (owner == null) {
            return null;
        }
        for (MethodModel m : owner.methods()) {
            if (m.methodName().equals(call.name()) && m.methodType().equals(call.type())) {
                return isMarked(m) ? m : null;
            }
        }
        return null;
    }

    private static boolean isMarked(MethodModel m) {
        return m.findAttribute(Attributes.runtimeInvisibleAnnotations())
                .map(a -> a.annotations().stream()
                        .anyMatch(x -> x.classSymbol()
                                .equals(Inline.class.describeConstable().orElseThrow())))
                .orElse(false);
    }
}
