package dev.palimpsest.models.editinfinity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.palimpsest.models.infinity.BiasMode;
import dev.palimpsest.models.infinity.PictureSize;
import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.tensor.nn.Lora;
import java.awt.image.BufferedImage;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class EditOptionsTest {
    private static JsonObject json(String fields) {
        return JsonObject.parse("{" + fields.replace('\'', '"') + "}", "config.json");
    }

    @Test
    void anEmptyFolderHasTheOriginalsDefaults() {
        InvertOptions invert = InvertOptions.of(json(""));
        assertThat(invert).isEqualTo(InvertOptions.defaults());
        assertThat(invert.promptUpdates()).isEqualTo(9);
        assertThat(invert.adapterUpdates()).isEqualTo(49);
        assertThat(invert.prompt().rate()).isEqualTo(6e-3 * 2 / 256);
        assertThat(invert.adapters().loss().klWeight()).isEqualTo(2e-7);
        assertThat(invert.layout().schedule().last()).hasToString("64x64");
        RewriteOptions rewrite = RewriteOptions.of(json(""));
        assertThat(rewrite).isEqualTo(RewriteOptions.defaults());
        assertThat(rewrite.generation().sampling().guidance()).containsExactly(4.0);
        assertThat(rewrite.generation().sampling().temperature()).containsExactly(0.5);
        assertThat(rewrite.generation().sampling().topK()).isEqualTo(900);
        assertThat(rewrite.generation().seed()).isEqualTo(42);
        assertThat(rewrite.generation().biases()).isEqualTo(BiasMode.EDITINFINITY);
    }

    @Test
    void settingsOfAFolderBecomeOptions() {
        JsonObject settings =
                json("'seed': 5, 'pn': '0.25M', 'h_div_w_template': 0.75, 'text_bias_mode_edit': 'original',"
                        + "'instruction': ' so', 'concat_length': 3, 'lora_r': 2, 'lora_alpha': 6.5, 'lora_dropout': 0,"
                        + "'noise_apply_strength': 0.1, 'noise_apply_layers': 4, 'cond_drop_rate': 0.2, 'drop_path': 0,"
                        + "'reweight_loss_by_scale': false, 'bitloss_type': 'sum', 'cfg': 2, 'threshold': 0.25,"
                        + "'mask_method': 'plotted'");
        InvertOptions invert = InvertOptions.of(settings);
        assertThat(invert.seed()).isEqualTo(5);
        assertThat(invert.size()).isEqualTo(PictureSize.P_0_25M);
        assertThat(invert.layout().schedule().last()).hasToString("27x36");
        assertThat(invert.biases()).isEqualTo(BiasMode.ORIGINAL);
        assertThat(invert.instruction()).isEqualTo(" so");
        assertThat(invert.learnedRows()).isEqualTo(3);
        assertThat(invert.lora()).isEqualTo(new Lora.Settings(2, 6.5, 0));
        for (LearningSettings learning : List.of(invert.prompt(), invert.adapters())) {
            assertThat(learning.flips()).isEqualTo(0.1);
            assertThat(learning.flippedScales()).isEqualTo(4);
            assertThat(learning.textDropout()).isEqualTo(0.2);
            assertThat(learning.dropPath()).isZero();
            assertThat(learning.loss().scaleWeights()).isFalse();
            assertThat(learning.loss().summed()).isTrue();
        }
        RewriteOptions rewrite = RewriteOptions.of(settings);
        assertThat(rewrite.generation().biases()).isEqualTo(BiasMode.ORIGINAL);
        assertThat(rewrite.generation().sampling().guidance()).containsExactly(2.0);
        assertThat(rewrite.threshold()).isEqualTo(0.25);
        assertThat(rewrite.maskMethod()).isEqualTo(MaskMethod.PLOTTED);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '~',
            value = {
                "'bitloss_type': 'max' | neither \"mean\" nor \"sum\"",
                "'concat_length': 0 | learned rows: 0",
                "'h_div_w_template': -1 | aspect",
                "'noise_apply_strength': 2 | share of wrong bits",
                "'lora_r': 0 | rank 0",
                "'text_bias_mode_edit': 'none' | bias mode",
                "'pn': '2M' | picture size"
            })
    void settingsThatMakeNoSenseAreNamed(String setting, String why) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> InvertOptions.of(json(setting)))
                .withMessageContaining(why);
    }

    @Test
    void anInversionCanHaveTheShapeOfItsPicture() {
        BufferedImage wide = new BufferedImage(300, 200, BufferedImage.TYPE_INT_RGB);
        assertThat(InvertOptions.defaults().withShapeOf(wide).heightToWidth()).isEqualTo(0.666);
    }

    @Test
    void captionsAreCutAtDashes() {
        assertThat(CaptionRule.ORIGINAL.caption(" a cat --ar 3:2")).isEqualTo("a cat");
        assertThat(CaptionRule.ORIGINAL.caption("-- a cat")).isEqualTo("-- a cat");
        assertThat(CaptionRule.ORIGINAL.withCutsAtDashes(false).caption("a cat --ar"))
                .isEqualTo("a cat --ar");
    }

    @Test
    void longCaptionsMayLoseTheirLastSentences() {
        CaptionRule dropping = CaptionRule.ORIGINAL.withDropsSentences(true);
        assertThat(CaptionRule.ORIGINAL.variants("a. b. c.")).containsExactly("a. b. c.");
        assertThat(dropping.variants("a. b.")).containsExactly("a. b.");
        assertThat(dropping.variants("a. b. c.")).containsExactly("a", "a. b", "a. b. c.");
        assertThat(dropping.variants("a. b... c")).containsExactly("a", "a. b", "a. b... c");
    }
}
