package dev.palimpsest.models.vincie;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.palimpsest.models.json.JsonException;
import dev.palimpsest.models.json.JsonObject;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class NaDitConfigTest {
    private static final String VINCIE_3B = """
            {"vid_in_channels": 33, "vid_out_channels": 16, "vid_dim": 2560, "txt_in_dim": 5120, "txt_dim": 2560,
             "emb_dim": 15360, "heads": 20, "head_dim": 128, "expand_ratio": 4, "norm": "fusedrms", "norm_eps": 1e-5,
             "ada": "single", "qk_bias": false, "qk_rope": true, "qk_norm": "fusedrms", "patch_size": [1, 2, 2],
             "num_layers": 32, "mm_layers": 10, "mlp_type": "swiglu", "block_type": "mmdit", "msa_type": "mm_full",
             "rope_type": "mmrope3d", "rope_dim": 128, "vid_out_norm": "fusedrms", "txt_in_norm": "fusedln",
             "patch_type": "v1"}""";

    @Test
    void theReleasedConfigurationIsRead() {
        assertThat(NaDitConfig.of(JsonObject.parse(VINCIE_3B, "configs/generate")))
                .isEqualTo(NaDitConfig.VINCIE_3B);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "swiglu|normal|mlp_type",
                "mmrope3d|rope3d|rope_type",
                "[1, 2, 2]|[2, 2, 2]|patch_size",
                "15360|2560|emb_dim",
                "\"mm_layers\": 10|\"mm_layers\": -1|mm_layers",
                "\"rope_dim\": 128|\"rope_dim\": 192|rope_dim"
            })
    void whatIsNotSupportedIsRefusedByName(String was, String is, String name) {
        String json = VINCIE_3B.replace(was, is);
        assertThat(json).isNotEqualTo(VINCIE_3B);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> NaDitConfig.of(JsonObject.parse(json, "config.json")))
                .withMessageContaining(name);
    }

    @Test
    void aMissingSizeIsNamed() {
        String json = VINCIE_3B.replace("\"heads\": 20,", "");
        assertThatExceptionOfType(JsonException.class)
                .isThrownBy(() -> NaDitConfig.of(JsonObject.parse(json, "config.json")))
                .withMessage("config.json: lacks \"heads\"");
    }

    @ParameterizedTest
    @CsvSource({"2560, 4, 6912", "16, 4, 256", "40, 12, 512", "192, 2, 256", "193, 2, 512"})
    void theFeedForwardWidthIsTwoThirdsRoundedUp(int dim, double ratio, int hidden) {
        assertThat(NaDit.SwiGlu.hidden(dim, ratio, 256)).isEqualTo(hidden);
    }
}
