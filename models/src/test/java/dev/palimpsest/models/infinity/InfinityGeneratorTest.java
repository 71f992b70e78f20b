package dev.palimpsest.models.infinity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.offset;

import dev.palimpsest.kernels.DType;
import dev.palimpsest.kernels.KernelProviders;
import dev.palimpsest.kernels.Parallel;
import dev.palimpsest.models.api.Cancellation;
import dev.palimpsest.models.infinity.GenerationRequest.Step;
import dev.palimpsest.models.infinity.ScaleSchedule.Scale;
import dev.palimpsest.models.vincie.RandomWeights;
import dev.palimpsest.tensor.Backend;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import dev.palimpsest.tensor.nn.Observer;
import dev.palimpsest.tensor.random.TorchCpuRandom;
import dev.palimpsest.weights.Checkpoint;
import dev.palimpsest.weights.WeightTree;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CancellationException;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;

@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class InfinityGeneratorTest {
    private static final InfinityConfig CONFIG = InfinityConfigTest.TINY;
    private static final PictureLayout LAYOUT = new PictureLayout(
            new ScaleSchedule(List.of(new Scale(1, 1), new Scale(2, 1), new Scale(2, 3), new Scale(4, 3))),
            new Scale(9, 6));

    @TempDir
    static Path folder;

    private Checkpoint checkpoint;
    private InfinityGenerator generator;

    @BeforeAll
    void writeModel() {
        Path file = folder.resolve("infinity.safetensors");
        RandomWeights.write(file, 3, tree -> new InfinityTransformer(tree, CONFIG), name -> name);
        checkpoint = Checkpoint.open(file);
        generator = new InfinityGenerator(new InfinityTransformer(WeightTree.of(checkpoint), CONFIG));
    }

    @AfterAll
    void closeModel() {
        checkpoint.close();
    }

    private static GenerationRequest request(long seed, int... lengths) {
        int sum = Arrays.stream(lengths).sum();
        TextFeatures text = new TextFeatures(Checks.random(1, sum, CONFIG.textChannels()), lengths);
        return GenerationRequest.of(text, LAYOUT, BitDraw.from(new TorchCpuRandom(seed)));
    }

    private float[] generate(GenerationRequest request) {
        return Scope.run(() -> generator.generate(request).toFloatArray());
    }

    @Test
    void theSeedDecidesThePicture() {
        Scope.run(() -> {
            assertThat(generate(request(5, 4))).isEqualTo(generate(request(5, 4)));
            assertThat(generate(request(5, 4))).isNotEqualTo(generate(request(6, 4)));
            return null;
        });
    }

    @Test
    void theNumberOfThreadsDoesNotChangeABit() {
        List<float[]> pictures = new ArrayList<>();
        for (int threads = 1; threads <= 3; threads++) {
            try (Parallel parallel = new Parallel(threads)) {
                String provider = KernelProviders.lookup().kernels().name();
                pictures.add(Backend.with(
                        KernelProviders.create(provider, parallel), () -> Scope.run(() -> generate(request(5, 4, 6)))));
            }
        }
        assertThat(pictures.get(1)).isEqualTo(pictures.get(0));
        assertThat(pictures.get(2)).isEqualTo(pictures.get(0));
    }

    @Test
    void theListenerSeesThePictureGrow() {
        Scope.run(() -> {
            Scope outer = Scope.current();
            List<Step> steps = new ArrayList<>();
            Tensor sum = generator.generate(request(5, 4, 6).withListener(step -> {
                outer.keep(step.scores());
                outer.keep(step.drawn());
                outer.keep(step.sum());
                steps.add(step);
            }));
            assertThat(steps).extracting(Step::scale).containsExactly(0, 1, 2, 3);
            assertThat(steps.getLast().sum().toFloatArray()).isEqualTo(sum.toFloatArray());
            assertThat(steps.getLast().nextInput()).isNull();
            assertThat(steps.get(2).scores().shape().dims()).containsExactly(2, 6, 8, 2);
            MultiScaleBsq bsq = new MultiScaleBsq(CONFIG.latentChannels());
            List<Tensor> bits = new ArrayList<>();
            for (Step step : steps) {
                Scale scale = LAYOUT.schedule().get(step.scale());
                Tensor channels = step.drawn()
                        .reshape(2, scale.height(), scale.width(), 8)
                        .permute(0, 3, 1, 2); // (2, 8, h, w)
                bits.add(PixelShuffle.shuffle(channels, 2).permute(0, 2, 3, 1).unsqueeze(1)); // (2, 1, 2 h, 2 w, 2)
            }
            assertThat(Checks.distance(sum, bsq.sum(bits, new Scale(8, 6)).squeeze(2)))
                    .isLessThan(1e-6);
            return null;
        });
    }

    @Test
    void guidanceOfOneIsNoGuidance() {
        Scope.run(() -> {
            BitSampling unguided = BitSampling.defaults().withGuidance(1);
            // guided at the last scale only, so that all samples have counterparts from the start
            BitSampling late = unguided.withGuidance(List.of(1.0, 1.0, 1.0, 30.0));
            List<float[]> alone = scores(request(5, 4).withSampling(unguided));
            List<float[]> together = scores(request(5, 4).withSampling(late));
            for (int k = 0; k < 3; k++) {
                assertThat(together.get(k)).containsExactly(alone.get(k), offset(1e-4f));
            }
            assertThat(together.get(3)).isNotEqualTo(alone.get(3));
            return null;
        });
    }

    /// Scales behind the last guided one leave out the half without the text, which takes as long as the other.
    @Test
    void noTextIsLookedAtNoLongerThanThereIsGuidance() {
        Scope.run(() -> {
            BitSampling often = BitSampling.defaults().withGuidance(List.of(4.0, 4.0, 1.0, 1 + 1e-12));
            BitSampling early = often.withGuidance(List.of(4.0, 4.0, 1.0, 1.0));
            List<float[]> whole = scores(request(5, 4, 6).withSampling(often));
            List<Integer> samples = new ArrayList<>();
            List<float[]> half = Observer.observing(
                    (path, out) -> {
                        if (path.equals("block_chunks.0.module.0")) {
                            samples.add(out.dim(0));
                        }
                        return out;
                    },
                    () -> scores(request(5, 4, 6).withSampling(early)));
            assertThat(samples).containsExactly(4, 4, 2, 2);
            for (int k = 0; k < half.size(); k++) {
                assertThat(half.get(k)).containsExactly(whole.get(k), offset(1e-4f));
            }
            return null;
        });
    }

    private List<float[]> scores(GenerationRequest request) {
        List<float[]> scores = new ArrayList<>();
        generate(request.withListener(step -> scores.add(step.scores().toFloatArray())));
        return scores;
    }

    @Test
    void aNegativeTextTakesThePlaceOfNoText() {
        Scope.run(() -> {
            GenerationRequest plain = request(5, 4);
            TextFeatures none = new InfinityTransformer(WeightTree.of(checkpoint), CONFIG).unconditional(4);
            assertThat(generate(request(5, 4).withNegative(none))).isEqualTo(generate(plain));
            TextFeatures other = new TextFeatures(Checks.random(8, 7, CONFIG.textChannels()), new int[] {7});
            assertThat(scores(request(5, 4).withNegative(other)).getFirst())
                    .isNotEqualTo(scores(request(5, 4)).getFirst());
            return null;
        });
    }

    @Test
    void forcedBitsAreTakenInPlaceOfDrawnOnes() {
        Scope.run(() -> {
            Tensor ones = Tensor.ones(1, 1, 1, 1, 8).to(DType.U8);
            List<float[]> sums = new ArrayList<>();
            generate(request(5, 4)
                    .withForcedBits(List.of(ones))
                    .withListener(step -> sums.add(step.sum().toFloatArray())));
            assertThat(sums.getFirst()).containsOnly((float) (1 / Math.sqrt(2)));
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> generate(request(5, 4).withForcedBits(List.of(ones, ones))))
                    .withMessageContaining("forced bits (1, 1, 1, 1, 8) of the scale 2x1");
            return null;
        });
    }

    @Test
    void steeringChangesWhatIsAdded() {
        Scope.run(() -> {
            float[] steered = generate(request(5, 4).withSteering((scale, codes) -> {
                assertThat(codes.shape().dims()).containsExactly(1, 2, 1, 8, 6);
                return codes.mul(0).add(scale);
            }));
            assertThat(steered).containsOnly(0 + 1 + 2 + 3);
            return null;
        });
    }

    @Test
    void aCancelledRunStopsAndGivesItsMemoryBack() {
        try (Scope scope = Scope.open()) {
            Cancellation cancellation = new Cancellation();
            List<Integer> seen = new ArrayList<>();
            assertThatExceptionOfType(CancellationException.class)
                    .isThrownBy(() -> scope.call(() -> generate(
                            request(5, 4).withCancellation(cancellation).withListener(step -> {
                                seen.add(step.scale());
                                if (step.scale() == 1) {
                                    cancellation.cancel();
                                }
                            }))));
            assertThat(seen).containsExactly(0, 1);
            assertThat(scope.liveBytes()).isZero();
            scope.call(() -> generate(request(5, 4)));
            assertThat(scope.liveBytes()).isZero();
        }
    }

    @Test
    void requestsThatDoNotFitAreRefused() {
        Scope.run(() -> {
            TextFeatures two = new TextFeatures(Tensor.zeros(4, 12), new int[] {2, 2});
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> request(5, 4).withNegative(two))
                    .withMessageContaining("2 negative texts for 1 texts");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> generate(request(5, 12)))
                    .withMessageContaining("a text of 12 tokens");
            return null;
        });
    }
}
