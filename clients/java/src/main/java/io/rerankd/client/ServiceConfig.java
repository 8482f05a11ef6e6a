package io.rerankd.client;

import com.google.gson.Gson;
import com.google.gson.reflect.TypeToken;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Reader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;

/** The service config that ships with the API: retries, throttling, {@code round_robin}. */
final class ServiceConfig {
  static final String RESOURCE = "rerankd_grpc_service_config.json";

  private ServiceConfig() {}

  /**
   * Reads it as the tree that {@code ManagedChannelBuilder.defaultServiceConfig} takes.
   *
   * <p>Its timeouts are left out. gRPC takes the shorter of them and the call's own, so that a
   * caller could not ask for more, and this client sets a deadline for each unary call anyway.
   */
  static Map<String, Object> load() {
    try (InputStream bytes = ServiceConfig.class.getResourceAsStream(RESOURCE);
        Reader text = new InputStreamReader(bytes, StandardCharsets.UTF_8)) {
      Map<String, Object> config =
          new Gson().fromJson(text, new TypeToken<Map<String, Object>>() {}.getType());
      for (Object method : (List<?>) config.get("methodConfig")) {
        ((Map<?, ?>) method).remove("timeout");
      }
      return config;
    } catch (IOException failure) {
      throw new UncheckedIOException(RESOURCE + " cannot be read", failure);
    }
  }
}
