package dev.palimpsest.examples;

import dev.palimpsest.models.api.Progress;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.time.Duration;
import me.tongfei.progressbar.ConsoleProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;
import org.jspecify.annotations.Nullable;

/// Shows progress: as a bar with the time left where somebody watches, as a line for the beginning and every tenth of
/// a stage elsewhere.
final class ProgressDisplay implements Progress, AutoCloseable {
    private static final int WIDTH = 100;
    private static final int LINES = 10;

    private final PrintWriter lines;
    private final @Nullable PrintStream terminal;
    private String task = "";
    private String stage = "";
    private int done;
    private int total;
    private String note = "";
    private @Nullable ProgressBar bar;

    /// @param lines where lines go
    /// @param terminal where a bar can be drawn, null if there is no terminal
    ProgressDisplay(PrintWriter lines, @Nullable PrintStream terminal) {
        this.lines = lines;
        this.terminal = terminal;
    }

    /// What the following stages belong to: `turn 1 of 3`. Printed in front of them.
    void task(String name) {
        end();
        task = name + ": ";
        stage = "";
    }

    /// What is shown behind the next steps: `loss 0.79`.
    void note(String text) {
        note = text;
    }

    @Override
    public void update(String stage, int done, int total) {
        boolean begins = !stage.equals(this.stage) || total != this.total || done < this.done;
        if (begins) {
            end();
            this.stage = stage;
            this.total = total;
            note = "";
        }
        int before = this.done;
        this.done = done;
        if (terminal != null) {
            draw(terminal);
        } else if (begins || (total > 1 && tenth(done) > tenth(before))) {
            lines.println(
                    task + stage + (total > 1 ? " " + done + "/" + total : "") + (note.isEmpty() ? "" : ", " + note));
            lines.flush();
        }
    }

    private long tenth(int n) {
        return total <= LINES ? n : (long) n * LINES / total;
    }

    private void draw(PrintStream to) {
        ProgressBar shown = bar;
        if (shown == null) {
            shown = new ProgressBarBuilder()
                    .setTaskName(task + stage)
                    .setInitialMax(total)
                    .startsFrom(done, Duration.ZERO) // what was done before says nothing of the time that is left
                    .setStyle(ProgressBarStyle.ASCII)
                    .setConsumer(new ConsoleProgressBarConsumer(to, WIDTH))
                    .build();
            bar = shown;
        }
        if (!note.isEmpty()) {
            shown.setExtraMessage(" " + note);
        }
        shown.stepTo(done);
    }

    /// Ends the bar that is being shown, if any, so that something else can be printed.
    void end() {
        if (bar != null) {
            bar.close();
            bar = null;
        }
    }

    @Override
    public void close() {
        end();
    }
}
