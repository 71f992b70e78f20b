package dev.palimpsest.tensor.nn;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class ModuleTest {
    private static final class Block extends Module {
        private final Linear proj;

        Block() {
            proj = child("proj.all", new Linear(Tensor.ones(2, 2), Tensor.zeros(2)));
            parameter("scale", Tensor.ones(2));
        }

        Tensor forward(Tensor x) {
            return observe("out", proj.forward(x));
        }
    }

    private static final class Net extends Module {
        private final List<Block> blocks = children("blocks", List.of(new Block(), new Block()));

        Tensor forward(Tensor x) {
            Tensor y = x;
            for (Block b : blocks) {
                y = b.forward(y);
            }
            return observe(y);
        }
    }

    @Test
    void parametersCarryTheirCheckpointKeys() {
        Scope.run(() -> {
            assertThat(new Net().parameters().keySet())
                    .containsExactly(
                            "blocks.0.scale",
                            "blocks.0.proj.all.weight",
                            "blocks.0.proj.all.bias",
                            "blocks.1.scale",
                            "blocks.1.proj.all.weight",
                            "blocks.1.proj.all.bias");
            return null;
        });
    }

    @Test
    void anObserverSeesEveryOutputByPath() {
        Scope.run(() -> {
            List<String> seen = new ArrayList<>();
            Observer.observing(
                    (path, out) -> {
                        seen.add(path);
                        return out;
                    },
                    () -> new Net().forward(Tensor.ones(1, 2)));
            assertThat(seen)
                    .containsExactly("blocks.0.proj.all", "blocks.0.out", "blocks.1.proj.all", "blocks.1.out", "");
            return null;
        });
    }

    @Test
    void anObserverMayReplaceAnOutput() {
        Scope.run(() -> {
            Net net = new Net();
            Tensor x = Tensor.ones(1, 2);
            assertThat(net.forward(x).toFloatArray()).containsExactly(4, 4);
            Tensor halved = Observer.observing(
                    (path, out) -> path.equals("blocks.0.out") ? out.mul(0.5) : out, () -> net.forward(x));
            assertThat(halved.toFloatArray()).containsExactly(2, 2);
            return null;
        });
    }

    @Test
    void parametersLeaveAScopeWithTheirModule() {
        Scope.run(() -> {
            Net net = Scope.run(Net::new);
            assertThat(net.forward(Tensor.ones(1, 2)).toFloatArray()).containsExactly(4, 4);
            return null;
        });
    }

    @Test
    void partsAreFoundByPath() {
        Scope.run(() -> {
            Net net = new Net();
            assertThat(net.at("blocks.1.proj.all")).isInstanceOf(Linear.class);
            assertThat(net.at("blocks.1").path()).isEqualTo("blocks.1");
            assertThatThrownBy(() -> net.at("blocks.2")).hasMessageContaining("blocks.2");
            return null;
        });
    }

    @Test
    void aPartBelongsToOneWhole() {
        Scope.run(() -> {
            Net net = new Net();
            Module part = net.at("blocks.0");
            assertThatThrownBy(() -> net.child("again", part)).hasMessageContaining("registered already");
            return null;
        });
    }
}
