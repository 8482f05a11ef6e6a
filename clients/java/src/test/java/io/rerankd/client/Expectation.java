package io.rerankd.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.protobuf.MessageOrBuilder;
import com.google.protobuf.util.JsonFormat;
import com.google.rpc.BadRequest;
import io.rerankd.v1.Passage;
import io.rerankd.v1.RerankBatchResponse;
import io.rerankd.v1.RerankBatchResult;
import io.rerankd.v1.RerankResponse;
import io.rerankd.v1.RerankResult;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;

/** What a vector must give. */
final class Expectation {
  private static final Set<String> WITHIN_TOLERANCE = Set.of("score", "logit", "original_score");

  private final JsonObject expect;
  private final double tolerance;
  private final UnaryOperator<JsonObject> resolve;

  /**
   * Makes an expectation.
   *
   * @param resolve finds what another vector must give, for {@code same_as}
   */
  Expectation(JsonObject expect, double tolerance, UnaryOperator<JsonObject> resolve) {
    this.expect = resolve.apply(expect);
    this.tolerance = tolerance;
    this.resolve = resolve;
  }

  void checkAnswer(RerankResponse answer) throws InvalidProtocolBufferException {
    assertTrue(expect.has("results"), () -> "answered, but expected is " + expect);
    JsonArray results = expect.getAsJsonArray("results");
    int count = expect.has("count") ? expect.get("count").getAsInt() : results.size();
    assertEquals(count, answer.getResultsCount(), "number of results");
    for (int i = 0; i < results.size(); i++) {
      checkResult(results.get(i).getAsJsonObject(), answer.getResults(i), "results[" + i + "]");
    }
    if (expect.has("outcome")) {
      assertEquals("OUTCOME_" + expect.get("outcome").getAsString(), answer.getOutcome().name());
    }
    if (expect.has("outcome_reason")) {
      String start = expect.get("outcome_reason").getAsString();
      assertTrue(answer.getOutcomeReason().startsWith(start), answer::getOutcomeReason);
    }
    if (expect.has("model")) {
      assertEquals(expect.get("model").getAsString(), answer.getModel().getId());
    }
    if (expect.has("usage")) {
      checkFields(expect.getAsJsonObject("usage"), answer.getUsage(), "usage");
    }
  }

  void checkFailure(RerankdException failure) {
    if (!expect.has("error")) {
      throw new AssertionError("failed, but expected is " + expect, failure);
    }
    JsonObject error = expect.getAsJsonObject("error");
    assertEquals(error.get("code").getAsString(), failure.getCode().name());
    assertEquals(error.get("reason").getAsString(), failure.getReason());
    if (error.has("metadata")) {
      for (Map.Entry<String, JsonElement> entry : error.getAsJsonObject("metadata").entrySet()) {
        assertEquals(
            entry.getValue().getAsString(),
            failure.getMetadata().get(entry.getKey()),
            "metadata " + entry.getKey());
      }
    }
    if (error.has("fields")) {
      List<String> fields = new ArrayList<>();
      error.getAsJsonArray("fields").forEach(field -> fields.add(field.getAsString()));
      assertEquals(
          fields,
          failure.getFieldViolations().stream()
              .map(BadRequest.FieldViolation::getField)
              .collect(Collectors.toList()));
    }
  }

  void checkItems(RerankBatchResponse answer) throws InvalidProtocolBufferException {
    assertTrue(expect.has("items"), () -> "a batch answered, but expected is " + expect);
    JsonArray items = expect.getAsJsonArray("items");
    assertEquals(items.size(), answer.getResultsCount(), "number of items");
    for (int i = 0; i < items.size(); i++) {
      JsonObject item = items.get(i).getAsJsonObject();
      RerankBatchResult result = answer.getResults(i);
      if (item.has("error")) {
        assertEquals(
            item.getAsJsonObject("error").get("reason").getAsString(),
            result.getError().getReason());
      } else {
        new Expectation(item, tolerance, resolve).checkAnswer(result.getResponse());
      }
    }
  }

  private void checkResult(JsonObject expected, RerankResult result, String where)
      throws InvalidProtocolBufferException {
    for (Map.Entry<String, JsonElement> entry : expected.entrySet()) {
      String what = where + "." + entry.getKey();
      if (entry.getKey().equals("passage")) {
        checkMessage(entry.getValue(), result.getPassage(), Passage.newBuilder(), what);
      } else if (entry.getKey().equals("document")) {
        checkMessage(
            entry.getValue(), result.getDocument(), result.getDocument().newBuilderForType(), what);
      } else {
        checkField(entry, result, what);
      }
    }
  }

  private void checkFields(JsonObject expected, MessageOrBuilder message, String where) {
    for (Map.Entry<String, JsonElement> entry : expected.entrySet()) {
      checkField(entry, message, where + "." + entry.getKey());
    }
  }

  private void checkField(
      Map.Entry<String, JsonElement> entry, MessageOrBuilder message, String what) {
    FieldDescriptor field = message.getDescriptorForType().findFieldByName(entry.getKey());
    assertNotNull(field, what);
    if (field.hasPresence() && entry.getValue().isJsonNull() == message.hasField(field)) {
      fail(what + (message.hasField(field) ? " is set" : " is not set"));
    }
    if (entry.getValue().isJsonNull()) {
      return;
    }
    Object actual = message.getField(field);
    if (WITHIN_TOLERANCE.contains(entry.getKey())) {
      assertEquals(
          entry.getValue().getAsDouble(), ((Number) actual).doubleValue(), tolerance, what);
    } else {
      assertEquals(entry.getValue().getAsString(), actual.toString(), what);
    }
  }

  private static void checkMessage(
      JsonElement expected, Message actual, Message.Builder builder, String what)
      throws InvalidProtocolBufferException {
    JsonFormat.parser().merge(expected.toString(), builder);
    assertEquals(builder.build(), actual, what);
  }
}
