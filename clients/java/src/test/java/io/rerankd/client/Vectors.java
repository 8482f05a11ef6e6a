package io.rerankd.client;

import com.google.gson.Gson;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.protobuf.util.JsonFormat;
import io.rerankd.v1.Document;
import io.rerankd.v1.RerankBatchRequest;
import io.rerankd.v1.RerankRequest;
import io.rerankd.v1.RerankResponse;
import io.rerankd.v1.RerankStreamRequest;
import io.rerankd.v1.StreamEmit;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The vectors of a folder, as tests/conformance/README.md describes them. */
final class Vectors {
  private final Map<String, Vector> byName = new LinkedHashMap<>();

  static Vectors read(Path folder) throws IOException {
    Vectors vectors = new Vectors();
    List<Path> files;
    try (Stream<Path> entries = Files.list(folder)) {
      files =
          entries
              .filter(file -> file.toString().endsWith(".json"))
              .sorted()
              .collect(Collectors.toList());
    }
    for (Path file : files) {
      JsonObject content = new Gson().fromJson(Files.readString(file), JsonObject.class);
      for (JsonElement element : content.getAsJsonArray("vectors")) {
        Vector vector = new Vector(element.getAsJsonObject());
        if (vectors.byName.put(vector.name(), vector) != null) {
          throw new IOException("two vectors have the name " + vector.name());
        }
      }
    }
    if (vectors.byName.isEmpty()) {
      throw new IOException(folder + " has no vectors");
    }
    return vectors;
  }

  List<Vector> all() {
    return new ArrayList<>(byName.values());
  }

  Expectation expectationOf(Vector vector) {
    double tolerance =
        vector.json.has("tolerance") ? vector.json.get("tolerance").getAsDouble() : 1e-4;
    return new Expectation(vector.json.getAsJsonObject("expect"), tolerance, this::resolve);
  }

  /** What stands behind {@code same_as}, or the expectation itself. */
  private JsonObject resolve(JsonObject expect) {
    return expect.has("same_as")
        ? resolve(
            byName.get(expect.get("same_as").getAsString()).json.getAsJsonObject("expect"))
        : expect;
  }

  static final class Vector {
    private final JsonObject json;

    Vector(JsonObject json) {
      this.json = json;
    }

    JsonObject json() {
      return json;
    }

    String name() {
      return json.get("name").getAsString();
    }

    RerankRequest request(String key) throws InvalidProtocolBufferException {
      RerankRequest.Builder request = RerankRequest.newBuilder();
      merge(json.get(key), request);
      if (json.has("generate")) {
        generate(request, json.getAsJsonObject("generate"));
      }
      return request.build();
    }

    RerankBatchRequest batch() throws InvalidProtocolBufferException {
      RerankBatchRequest.Builder request = RerankBatchRequest.newBuilder();
      merge(json.get("rerank_batch"), request);
      return request.build();
    }

    List<RerankStreamRequest> messages() throws InvalidProtocolBufferException {
      List<RerankStreamRequest> messages = new ArrayList<>();
      for (JsonElement message : json.getAsJsonArray("stream_messages")) {
        RerankStreamRequest.Builder request = RerankStreamRequest.newBuilder();
        merge(message, request);
        messages.add(request.build());
      }
      return messages;
    }

    RerankResponse answer(String key) throws InvalidProtocolBufferException {
      RerankResponse.Builder answer = RerankResponse.newBuilder();
      merge(json.get(key), answer);
      return answer.build();
    }

    CallSettings settings() {
      CallSettings.Builder settings = CallSettings.newBuilder();
      if (json.has("emit")) {
        String name = json.get("emit").getAsString().toUpperCase(Locale.ROOT);
        settings.emit(StreamEmit.valueOf("STREAM_EMIT_" + name));
      }
      if (json.has("chunk_documents")) {
        settings.chunkDocuments(json.get("chunk_documents").getAsInt());
      }
      if (json.has("snapshot_interval_seconds")) {
        double seconds = json.get("snapshot_interval_seconds").getAsDouble();
        settings.snapshotInterval(Duration.ofNanos(Math.round(seconds * 1e9)));
      }
      return settings.build();
    }

    private static void generate(RerankRequest.Builder request, JsonObject generate) {
      List<String> texts = new ArrayList<>();
      generate.getAsJsonArray("texts").forEach(text -> texts.add(text.getAsString()));
      for (int i = 0; i < generate.get("count").getAsInt(); i++) {
        String text = texts.get(i % texts.size()).replace("{i}", Integer.toString(i));
        request.addDocuments(Document.newBuilder().setId("g" + i).setText(text));
      }
    }

    private static void merge(JsonElement json, Message.Builder message)
        throws InvalidProtocolBufferException {
      JsonFormat.parser().merge(json.toString(), message);
    }
  }
}
