package dev.palimpsest.models.api;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.concurrent.CancellationException;
import org.junit.jupiter.api.Test;

class CancellationTest {
    @Test
    void aTurnedSwitchStopsTheNextCheck() {
        var cancellation = new Cancellation();
        assertThatCode(cancellation::check).doesNotThrowAnyException();
        cancellation.cancel();
        assertThat(cancellation.isRequested()).isTrue();
        assertThatThrownBy(cancellation::check).isInstanceOf(CancellationException.class);
    }

    @Test
    void theSharedSwitchCannotBeTurned() {
        assertThatThrownBy(Cancellation.NONE::cancel)
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("of its own");
        assertThat(Cancellation.NONE.isRequested()).isFalse();
    }
}
