/// Derivatives of tensor computations: a tape that records what runs, and the backward pass over it.
///
/// **How a tape works.** All arithmetic on tensors is made of ops, and every op is applied at one place,
/// [dev.palimpsest.tensor.Op#apply]. While [dev.palimpsest.tensor.autograd.Tape#record] runs, a
/// [dev.palimpsest.tensor.Recorder] stands there. It lets the op compute and asks whether one of its inputs is
/// *tracked*: watched, or the result of an op with a tracked input. If so, it notes the op, its inputs and its output
/// as one step, and the output is tracked in turn. If not, nothing is noted, which is why frozen weights and inference
/// cost nothing. So when the loss `L` has been computed, the steps lie on the tape in an order in which every tensor is
/// made before it is used.
///
/// **How it plays back.** [dev.palimpsest.tensor.autograd.Tape#backward] starts with `dL/dL = 1` and goes through the
/// steps from the last to the first. When it comes to a step with output `y = f(a, b)`, everything that used `y` has
/// been passed, so the derivative `dL/dy` is complete. The op turns it into its part of `dL/da` and `dL/db` (the chain
/// rule), and the parts are added up by tensor. In the end the sums of the watched tensors remain; all others have been
/// released on the way.
///
/// A worked example, `L = sum(x * x)`:
///
/// | step | forward | backward |
/// |---|---|---|
/// | 2 | `L = sum(y)` | `dy = dL` stretched to the shape of `y` |
/// | 1 | `y = x * x` | `dx += dy * x` for the first factor, `dx += dy * x` for the second |
///
/// **Where the gradient of an op lives.** Next to its forward computation, in the same record: the method
/// [dev.palimpsest.tensor.Op#gradient]. It says for every input how its derivative follows from the derivative by the
/// output:
///
/// ```java
/// record MatMul() implements Op {
///     ...
///     public void gradient(Backward b) {
///         b.to(0, dy -> dy.matmul(b.input(1).transpose(-1, -2)));
///         b.to(1, dy -> b.input(0).transpose(-1, -2).matmul(dy));
///     }
/// }
/// ```
///
/// The function given to [dev.palimpsest.tensor.Backward#to] runs only if that input leads to a watched tensor. It is
/// written with ordinary tensor ops, and need not care about broadcasting: the sum over stretched axes is taken behind
/// it.
///
/// **How to add one.** Write the op's record, then
/// 1. override `gradient`, one line an input; an input that has no derivative is left out and then refused by name when
///    somebody wants it, one whose derivative vanishes gets `b.zero(i)`;
/// 2. override `needs` and `needsOutput` where the gradient does not read the elements of an input or reads those of
///    the output, so that the tape keeps no memory in vain;
/// 3. or, if the op is a fusion of others, override [dev.palimpsest.tensor.Op#plain] instead and give the unfused
///    computation: it is recorded in place of the op whenever a gradient is wanted;
/// 4. add a line to the table in the gradient test, which compares with differences of the op itself.
///
/// **Memory.** The tape has a [dev.palimpsest.tensor.Scope] of its own. What a gradient will read moves into it when
/// the step is noted, so that the scopes of the forward pass may end as usual, and is released when the backward pass
/// has gone by. [dev.palimpsest.tensor.autograd.Checkpointed] keeps only what goes into and comes out of a part of the
/// network. Tensors that the tape relies on cannot be overwritten in place while it records.
@NullMarked
package dev.palimpsest.tensor.autograd;

import org.jspecify.annotations.NullMarked;
