package dev.palimpsest.models.vincie;

import java.util.ArrayList;
import java.util.List;

/// Which tokens of a sample see each other. Nothing is ever seen across samples.
public sealed interface AttentionLayout {
    /// Everything sees everything, as in the released models.
    AttentionLayout FULL = new Full();

    /// Everything sees everything.
    record Full() implements AttentionLayout {}

    /// A sample is a sequence of images and texts. A token sees its own block, which is one image or one text, and all
    /// blocks before it (VINCIE, Qu et al. 2025, arXiv 2506.10941, first version). Earlier blocks do not depend on
    /// later ones, so their keys and values can be kept from turn to turn; see [KeyValueCache].
    ///
    /// Rotary positions keep that property: a frame's position in time counts the text before the frame and not, as
    /// with full attention, all text of the sample.
    ///
    /// @param samples the blocks of each sample, in order
    record BlockCausal(List<List<Block>> samples) implements AttentionLayout {
        /// A layout with a copy of these lists.
        public BlockCausal {
            samples = samples.stream().map(List::copyOf).toList();
        }

        /// One sample: image, text, image, text, ..., image, with texts of these lengths.
        public static BlockCausal alternating(int... textLengths) {
            List<Block> blocks = new ArrayList<>();
            for (int length : textLengths) {
                blocks.add(Block.image());
                blocks.add(Block.text(length));
            }
            blocks.add(Block.image());
            return new BlockCausal(List.of(blocks));
        }

        /// One sample with these blocks.
        public static BlockCausal of(Block... blocks) {
            return new BlockCausal(List.of(List.of(blocks)));
        }
    }

    /// A stretch of a sample whose tokens see each other.
    sealed interface Block {
        /// The next frame of the sample's video.
        static Block image() {
            return new Video(1);
        }

        /// The next tokens of the sample's text.
        static Block text(int tokens) {
            return new Text(tokens);
        }
    }

    /// The next frames of the sample's video, as one block.
    ///
    /// @param frames at least 1
    record Video(int frames) implements Block {
        /// A block of frames.
        public Video {
            if (frames < 1) {
                throw new IllegalArgumentException("attention layout: a block of " + frames + " frames");
            }
        }
    }

    /// The next tokens of the sample's text, as one block.
    ///
    /// @param tokens at least 1
    record Text(int tokens) implements Block {
        /// A block of text.
        public Text {
            if (tokens < 1) {
                throw new IllegalArgumentException("attention layout: a block of " + tokens + " text tokens");
            }
        }
    }
}
