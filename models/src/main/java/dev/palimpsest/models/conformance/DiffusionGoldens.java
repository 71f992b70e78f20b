package dev.palimpsest.models.conformance;

import dev.palimpsest.models.api.Cancellation;
import dev.palimpsest.models.diffusion.Denoiser;
import dev.palimpsest.models.diffusion.Endpoints;
import dev.palimpsest.models.diffusion.EulerSampler;
import dev.palimpsest.models.diffusion.Guidance;
import dev.palimpsest.models.diffusion.Prediction;
import dev.palimpsest.models.diffusion.Schedule;
import dev.palimpsest.models.diffusion.Timesteps;
import dev.palimpsest.models.json.JsonObject;
import dev.palimpsest.tensor.Scope;
import dev.palimpsest.tensor.Tensor;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;

/// Golden files about diffusion: schedules, timesteps, the Euler sampler and guidance.
public final class DiffusionGoldens implements GoldenEvaluator {
    private static final String NUMBER = "(-?[0-9.]+(?:[eE][-+]?[0-9]+)?)";
    private static final Pattern TIMESTEPS = Pattern.compile("out\\.timesteps_steps([0-9]+)_shift" + NUMBER);
    private static final Pattern PARTIAL = Pattern.compile("out\\.scale_steps([0-9]+)_partial" + NUMBER);
    private static final Pattern RESCALE = Pattern.compile("out\\.cfg_rescale" + NUMBER);

    /// The analytic model of the sampler's files.
    private static final Pattern MODEL =
            Pattern.compile("f\\(x,t\\)=N\\*x\\+N\\*sin\\(N\\*x\\)-N\\*cos\\(t/N\\).*".replace("N", NUMBER));

    /// The evaluator.
    public DiffusionGoldens() {}

    @Override
    public Set<String> kinds() {
        return Set.of(
                "diffusion.schedule",
                "diffusion.timesteps",
                "diffusion.euler",
                "diffusion.euler_step",
                "diffusion.guidance",
                "diffusion.guidance_partial");
    }

    @Override
    public Map<String, Tensor> evaluate(GoldenFile file) {
        return switch (file.kind()) {
            case "diffusion.schedule" -> schedule(file);
            case "diffusion.timesteps" -> timesteps(file);
            case "diffusion.euler" -> euler(file);
            case "diffusion.euler_step" -> eulerStep(file);
            case "diffusion.guidance" -> guidance(file);
            case "diffusion.guidance_partial" -> partial(file);
            default -> throw new IllegalArgumentException("no diffusion golden has the kind " + file.kind());
        };
    }

    private static Map<String, Tensor> schedule(GoldenFile file) {
        Schedule schedule = new Schedule.Lerp(file.config().number("T"));
        Tensor t = file.input("t"); // (n)
        Tensor x0 = file.input("x_0"); // (n, ...)
        Tensor xT = file.input("x_T"); // (n, ...)
        Tensor pred = file.input("pred"); // (n, ...)
        Tensor xt = schedule.noisy(x0, xT, t); // (n, ...)
        Map<String, Tensor> out = new LinkedHashMap<>();
        out.put("out.A", schedule.a(t));
        out.put("out.B", schedule.b(t));
        out.put("out.snr", schedule.snr(t));
        out.put("out.isnr", schedule.inverseSnr(schedule.snr(t)));
        out.put("out.x_t", xt);
        for (Prediction type : Prediction.values()) {
            String name = originalName(type);
            out.put("out.to_pred." + name, schedule.target(type, x0, xT, t));
            // nothing of x_0 is left at the end of the path, so that the noise does not tell where it began
            Tensor rows = type == Prediction.X_T ? before(t, schedule.end()) : before(t, Double.POSITIVE_INFINITY);
            Endpoints ends =
                    schedule.endpoints(type, pred.indexSelect(rows), xt.indexSelect(rows), t.indexSelect(rows));
            out.put("out.from_pred." + name + ".x_0", ends.x0());
            out.put("out.from_pred." + name + ".x_T", ends.xT());
        }
        return out;
    }

    /// Numbers of the entries before a time.
    private static Tensor before(Tensor t, double end) {
        float[] times = t.toFloatArray();
        return Tensor.of(
                IntStream.range(0, times.length).filter(i -> times[i] < end).toArray());
    }

    private static String originalName(Prediction type) {
        return type == Prediction.X_T ? "x_T" : type.name().toLowerCase(Locale.ROOT);
    }

    private static Prediction prediction(JsonObject config) {
        String name = config.text("prediction_type");
        for (Prediction type : Prediction.values()) {
            if (originalName(type).equals(name)) {
                return type;
            }
        }
        throw new IllegalArgumentException(config.origin() + ": there is no prediction_type " + name);
    }

    private static Timesteps timesteps(JsonObject config, int steps, double shift) {
        return config.value("T") instanceof Long
                ? Timesteps.uniformTrailingDiscrete(steps, shift, config.int32("T"))
                : Timesteps.uniformTrailing(steps, shift, config.number("T"));
    }

    private static Map<String, Tensor> timesteps(GoldenFile file) {
        Map<String, Tensor> out = new LinkedHashMap<>();
        for (String key : file.expected()) {
            Matcher m = TIMESTEPS.matcher(key);
            if (m.matches()) {
                Timesteps t = timesteps(file.config(), Integer.parseInt(m.group(1)), Double.parseDouble(m.group(2)));
                out.put(key, Tensor.of(t.toArray()).to(file.expectedType(key)));
            }
        }
        return out;
    }

    private static EulerSampler sampler(JsonObject config) {
        return new EulerSampler(
                new Schedule.Lerp(config.number("T")),
                timesteps(config, config.int32("steps"), config.number("shift")),
                prediction(config),
                config.bool("return_endpoint", true));
    }

    private static Map<String, Tensor> euler(GoldenFile file) {
        EulerSampler sampler = sampler(file.config());
        Tensor x = file.input("x"); // (...)
        Scope scope = Scope.current();
        List<Tensor> states = new ArrayList<>();
        List<Tensor> predictions = new ArrayList<>();
        Tensor result = sampler.sample(
                x,
                analyticModel(file.config().text("model")),
                step -> {
                    states.add(scope.keep(step.state().copy()));
                    predictions.add(scope.keep(step.prediction().copy()));
                },
                new Cancellation());
        return Map.of(
                "out.timesteps", Tensor.of(sampler.timesteps().toArray()),
                "out.x_steps", Tensor.stack(states, 0),
                "out.preds", Tensor.stack(predictions, 0),
                "out.final", result);
    }

    private static Denoiser analyticModel(String formula) {
        Matcher m = MODEL.matcher(formula.replace(" ", ""));
        if (!m.matches()) {
            throw new IllegalArgumentException("the model " + formula + " is not of the known form");
        }
        double[] c = IntStream.rangeClosed(1, 5)
                .mapToDouble(i -> Double.parseDouble(m.group(i)))
                .toArray();
        return (x, t, step) -> x.mul(c[0]).add(x.mul(c[2]).sin().mul(c[1])).sub(c[3] * Math.cos(t / c[4]));
    }

    private static Map<String, Tensor> eulerStep(GoldenFile file) {
        EulerSampler sampler = sampler(file.config());
        Tensor t = file.input("t"); // (n)
        Tensor x = file.input("x"); // (n, ...)
        Tensor pred = file.input("pred"); // (n, ...)
        return Map.of(
                "out.next_t", sampler.after(t),
                "out.x_next", sampler.step(pred, x, t),
                "out.endpoint", sampler.endpoint(pred, x, t));
    }

    private static Map<String, Tensor> guidance(GoldenFile file) {
        double scale = file.config().number("scale");
        Tensor positive = file.input("pos"); // (n, ...)
        Tensor negative = file.input("neg"); // (n, ...)
        Map<String, Tensor> out = new LinkedHashMap<>();
        for (String key : file.expected()) {
            Matcher m = RESCALE.matcher(key);
            if (m.matches()) {
                Guidance guidance = new Guidance(scale, Double.parseDouble(m.group(1)), 1);
                out.put(key, guidance.combine(positive, negative));
            } else if (key.equals("out.cfg2d_rescale")) {
                double[] rescales = file.config().numbers("rescales");
                Guidance guidance = new Guidance(scale, rescales[rescales.length - 1], 1);
                int width = positive.dim(-1);
                out.put(key, guidance.combine(positive.reshape(-1, width), negative.reshape(-1, width)));
            }
        }
        return out;
    }

    private static Map<String, Tensor> partial(GoldenFile file) {
        Map<String, Tensor> out = new LinkedHashMap<>();
        for (String key : file.expected()) {
            Matcher m = PARTIAL.matcher(key);
            if (m.matches()) {
                int steps = Integer.parseInt(m.group(1));
                Guidance guidance = new Guidance(file.config().number("scale"), 0, Double.parseDouble(m.group(2)));
                float[] scales = new float[steps];
                for (int i = 0; i < steps; i++) {
                    scales[i] = (float) guidance.scaleAt(i, steps);
                }
                out.put(key, Tensor.of(scales));
            }
        }
        return out;
    }
}
