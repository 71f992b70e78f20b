package dev.palimpsest.models.json;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.json.JsonFactory;

/// A JSON object whose fields are read by name and type.
///
/// A field that is absent or null is the same; a field of another type than asked for is a [JsonException] that names
/// the document, the field and what it holds.
public final class JsonObject {
    private static final JsonFactory FACTORY = new JsonFactory();

    private final String origin;
    private final Map<String, Object> fields;

    private JsonObject(String origin, Map<String, Object> fields) {
        this.origin = origin;
        this.fields = fields;
    }

    /// An object without fields.
    ///
    /// @param origin what to call it in messages
    public static JsonObject empty(String origin) {
        return new JsonObject(origin, Map.of());
    }

    /// Reads a file that holds one JSON object.
    ///
    /// @throws JsonException if the file cannot be read or holds something else
    public static JsonObject read(Path file) {
        try {
            return parse(Files.readString(file), file.toString());
        } catch (IOException e) {
            throw new JsonException(file + ": cannot be read as text: " + e.getMessage(), e);
        }
    }

    /// Reads a text that holds one JSON object.
    ///
    /// @param origin what to call it in messages
    /// @throws JsonException if it holds something else
    public static JsonObject parse(String text, String origin) {
        if (parseValue(text, origin) instanceof JsonObject object) {
            return object;
        }
        throw new JsonException(origin + ": is not a JSON object", null);
    }

    /// Reads a text that holds one JSON value.
    ///
    /// @param origin what to call it in messages
    /// @return a [JsonObject], a `List`, a [String], a [Long], a [Double], a [Boolean] or null
    /// @throws JsonException if it is not valid JSON
    public static @Nullable Object parseValue(String text, String origin) {
        try (JsonParser json = FACTORY.createParser(ObjectReadContext.empty(), text)) {
            json.nextToken();
            Object value = value(json, origin);
            if (json.nextToken() != null) {
                throw new JsonException(origin + ": goes on after its JSON value", null);
            }
            return value;
        } catch (JacksonException e) {
            throw new JsonException(origin + ": is not valid JSON: " + e.getOriginalMessage(), e);
        }
    }

    private static @Nullable Object value(JsonParser json, String origin) {
        JsonToken token = json.currentToken();
        if (token == null) {
            throw new JsonException(origin + ": holds no JSON value", null);
        }
        return switch (token) {
            case START_OBJECT -> {
                Map<String, Object> fields = new LinkedHashMap<>();
                for (String name = json.nextName(); name != null; name = json.nextName()) {
                    json.nextToken();
                    Object value = value(json, origin + ", " + name);
                    if (value != null) {
                        fields.put(name, value);
                    }
                }
                yield new JsonObject(origin, Collections.unmodifiableMap(fields));
            }
            case START_ARRAY -> {
                List<@Nullable Object> values = new ArrayList<>();
                while (json.nextToken() != JsonToken.END_ARRAY) {
                    values.add(value(json, origin + "[" + values.size() + "]"));
                }
                yield Collections.unmodifiableList(values);
            }
            case VALUE_STRING -> json.getString();
            case VALUE_NUMBER_INT -> json.getLongValue();
            case VALUE_NUMBER_FLOAT -> json.getDoubleValue();
            case VALUE_TRUE -> true;
            case VALUE_FALSE -> false;
            case VALUE_NULL -> null;
            default -> throw new JsonException(origin + ": holds no JSON value", null);
        };
    }

    /// What this object is called in messages.
    public String origin() {
        return origin;
    }

    /// Names of the fields that are not null, in their order.
    public Set<String> names() {
        return fields.keySet();
    }

    /// Whether there is a field that is not null.
    public boolean has(String name) {
        return fields.containsKey(name);
    }

    /// A whole number.
    public long integer(String name) {
        return required(name, Long.class, "a whole number");
    }

    /// A whole number, or `absent` if there is none.
    public long integer(String name, long absent) {
        return has(name) ? integer(name) : absent;
    }

    /// A whole number that fits 32 bits.
    public int int32(String name) {
        long value = integer(name);
        if (value != (int) value) {
            throw wrong(name, "a whole number of 32 bits");
        }
        return (int) value;
    }

    /// A whole number that fits 32 bits, or `absent` if there is none.
    public int int32(String name, int absent) {
        return has(name) ? int32(name) : absent;
    }

    /// A number.
    public double number(String name) {
        return required(name, Number.class, "a number").doubleValue();
    }

    /// A number, or `absent` if there is none.
    public double number(String name, double absent) {
        return has(name) ? number(name) : absent;
    }

    /// True or false.
    public boolean bool(String name) {
        return required(name, Boolean.class, "true or false");
    }

    /// True or false, or `absent` if there is none.
    public boolean bool(String name, boolean absent) {
        return has(name) ? bool(name) : absent;
    }

    /// A text.
    public String text(String name) {
        return required(name, String.class, "a text");
    }

    /// A text, or `absent` if there is none.
    public String text(String name, String absent) {
        return has(name) ? text(name) : absent;
    }

    /// An object.
    public JsonObject object(String name) {
        return required(name, JsonObject.class, "an object");
    }

    /// An object, or one without fields if there is none.
    public JsonObject objectOrEmpty(String name) {
        return has(name) ? object(name) : empty(origin + ", " + name);
    }

    /// A list; its elements are what [#parseValue] returns.
    public List<?> list(String name) {
        return required(name, List.class, "a list");
    }

    /// A list of whole numbers that fit 32 bits.
    public int[] int32s(String name) {
        return list(name).stream()
                .mapToInt(v -> {
                    if (v instanceof Long l && l == (int) (long) l) {
                        return (int) (long) l;
                    }
                    throw wrong(name, "a list of whole numbers of 32 bits");
                })
                .toArray();
    }

    /// A list of numbers.
    public double[] numbers(String name) {
        return list(name).stream()
                .mapToDouble(v -> {
                    if (v instanceof Number n) {
                        return n.doubleValue();
                    }
                    throw wrong(name, "a list of numbers");
                })
                .toArray();
    }

    /// A list of texts.
    public List<String> texts(String name) {
        return list(name).stream()
                .map(v -> {
                    if (v instanceof String s) {
                        return s;
                    }
                    throw wrong(name, "a list of texts");
                })
                .toList();
    }

    /// Whatever the field holds: what [#parseValue] returns, null if it is absent.
    public @Nullable Object value(String name) {
        return fields.get(name);
    }

    private <T> T required(String name, Class<T> type, String what) {
        if (!has(name)) {
            throw new JsonException(origin + ": lacks \"" + name + "\"", null);
        }
        Object value = Objects.requireNonNull(fields.get(name));
        if (!type.isInstance(value)) {
            throw wrong(name, what);
        }
        return type.cast(value);
    }

    private JsonException wrong(String name, String what) {
        return new JsonException(origin + ": \"" + name + "\" is " + fields.get(name) + ", not " + what, null);
    }

    @Override
    public String toString() {
        return fields.toString();
    }
}
