package dev.palimpsest.models.vincie;

import dev.palimpsest.kernels.KeyRanges;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// Where every token of packed samples stands: in memory, in the attention's order, and on the three rotary axes.
///
/// In memory, the video tokens of all samples come first, then the text tokens of all samples. Attention wants each
/// sample's tokens together: video and then text with full attention, block after block with block-causal attention.
/// So there is one permutation between the two orders, which for a single sample with full attention is the identity.
public final class TokenLayout {
    private final List<VideoShape> vidShapes;
    private final List<Integer> txtLengths;
    private final AttentionLayout attention;
    private final int vidTokens;
    private final int txtTokens;
    private final int[] order;
    private final int[][] positions;
    private final int[][] blockLengths;

    /// The layout of whole samples.
    ///
    /// @param vidShapes extents of each sample's video in tokens, after patching
    /// @param txtLengths text tokens of each sample
    /// @throws IllegalArgumentException if a block-causal layout does not cover the samples exactly
    public TokenLayout(List<VideoShape> vidShapes, List<Integer> txtLengths, AttentionLayout attention) {
        this(vidShapes, txtLengths, attention, null);
    }

    /// The layout of new blocks behind those whose keys and values are kept.
    TokenLayout(
            List<VideoShape> vidShapes,
            List<Integer> txtLengths,
            AttentionLayout attention,
            @Nullable KeyValueCache before) {
        this.vidShapes = List.copyOf(vidShapes);
        this.txtLengths = List.copyOf(txtLengths);
        this.attention = attention;
        this.vidTokens = vidShapes.stream().mapToInt(VideoShape::tokens).sum();
        this.txtTokens = txtLengths.stream().mapToInt(Integer::intValue).sum();
        this.order = new int[vidTokens + txtTokens];
        this.positions = new int[order.length][];
        this.blockLengths = new int[samples()][];
        Walk walk = new Walk();
        for (int s = 0; s < samples(); s++) {
            walk.sample(s, before);
        }
    }

    /// Fills order, positions and block lengths, sample after sample.
    private final class Walk {
        private int at;
        private int vidRow;
        private int txtRow = vidTokens;

        void sample(int s, @Nullable KeyValueCache before) {
            VideoShape shape = vidShapes.get(s);
            int txtLength = txtLengths.get(s);
            switch (attention) {
                case AttentionLayout.Full full -> {
                    video(shape, shape.frames(), txtLength, 0);
                    text(txtLength, 0);
                    blockLengths[s] = new int[] {shape.tokens() + txtLength};
                }
                case AttentionLayout.BlockCausal causal -> {
                    List<AttentionLayout.Block> blocks = blocksOf(causal, s, shape.frames(), txtLength);
                    int frames = before == null ? 0 : before.frames(s);
                    int texts = before == null ? 0 : before.textTokens(s);
                    blockLengths[s] = new int[blocks.size()];
                    for (int b = 0; b < blocks.size(); b++) {
                        int start = at;
                        switch (blocks.get(b)) {
                            case AttentionLayout.Video video -> {
                                video(shape, video.frames(), texts, frames);
                                frames += video.frames();
                            }
                            case AttentionLayout.Text text -> {
                                text(text.tokens(), texts);
                                texts += text.tokens();
                            }
                        }
                        blockLengths[s][b] = at - start;
                    }
                }
            }
        }

        /// Video token (t, h, w) stands at `(text length + t, h, w)`.
        private void video(VideoShape shape, int frames, int textLength, int firstFrame) {
            for (int t = 0; t < frames; t++) {
                for (int h = 0; h < shape.height(); h++) {
                    for (int w = 0; w < shape.width(); w++) {
                        positions[at] = new int[] {textLength + firstFrame + t, h, w};
                        order[at++] = vidRow++;
                    }
                }
            }
        }

        /// Text token i stands at `(i, i, i)`.
        private void text(int tokens, int first) {
            for (int i = first; i < first + tokens; i++) {
                positions[at] = new int[] {i, i, i};
                order[at++] = txtRow++;
            }
        }
    }

    private List<AttentionLayout.Block> blocksOf(AttentionLayout.BlockCausal causal, int s, int frames, int txtLength) {
        if (causal.samples().size() != samples()) {
            throw new IllegalArgumentException("attention layout: it has blocks for "
                    + causal.samples().size() + " samples, but there are " + samples());
        }
        List<AttentionLayout.Block> blocks = causal.samples().get(s);
        int blockFrames = 0;
        int blockTokens = 0;
        for (AttentionLayout.Block block : blocks) {
            switch (block) {
                case AttentionLayout.Video video -> blockFrames += video.frames();
                case AttentionLayout.Text text -> blockTokens += text.tokens();
            }
        }
        if (blockFrames != frames || blockTokens != txtLength) {
            throw new IllegalArgumentException(
                    "attention layout: the blocks of sample " + s + " have " + blockFrames + " frames and "
                            + blockTokens + " text tokens, but the sample has " + frames + " and " + txtLength);
        }
        return blocks;
    }

    /// Number of samples.
    public int samples() {
        return vidShapes.size();
    }

    /// Extents of each sample's video, in tokens.
    public List<VideoShape> vidShapes() {
        return vidShapes;
    }

    /// Text tokens of each sample.
    public List<Integer> txtLengths() {
        return txtLengths;
    }

    /// Video tokens of all samples.
    public int vidTokens() {
        return vidTokens;
    }

    /// Text tokens of all samples.
    public int txtTokens() {
        return txtTokens;
    }

    /// Tokens of a sample, video and text.
    public int sampleTokens(int sample) {
        return vidShapes.get(sample).tokens() + txtLengths.get(sample);
    }

    /// For each place in the attention's order the row in memory.
    public int[] order() {
        return order.clone();
    }

    /// Whether memory and attention have the same order.
    public boolean isInOrder() {
        return IntStream.range(0, order.length).allMatch(i -> order[i] == i);
    }

    /// For each place in the attention's order its three rotary positions.
    public int[][] positions() {
        return Arrays.stream(positions).map(int[]::clone).toArray(int[][]::new);
    }

    /// For each row in memory the number of its sample, video rows first.
    public int[] samplesOfRows() {
        int[] rows = new int[order.length];
        int vid = 0;
        int txt = vidTokens;
        for (int s = 0; s < samples(); s++) {
            Arrays.fill(rows, vid, vid += vidShapes.get(s).tokens(), s);
            Arrays.fill(rows, txt, txt += txtLengths.get(s), s);
        }
        return rows;
    }

    /// What each token sees, both sides in the attention's order.
    public KeyRanges visible() {
        return KeyRanges.blockCausal(blockLengths);
    }

    /// What each token of one sample sees behind `kept` earlier tokens, all of which it sees.
    KeyRanges visible(int sample, int kept) {
        int tokens = sampleTokens(sample);
        int[] to = new int[tokens];
        int at = 0;
        for (int length : blockLengths[sample]) {
            Arrays.fill(to, at, at + length, kept + at + length);
            at += length;
        }
        return KeyRanges.of(new int[tokens], to, kept + tokens);
    }
}
