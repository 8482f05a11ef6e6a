package io.rerankd.client;

import com.google.rpc.BadRequest;
import io.grpc.Status;
import java.io.Serializable;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What an exception tells; filled while it is made and left alone afterwards. */
final class Failure implements Serializable {
  private static final long serialVersionUID = 1L;

  private final Status.Code code;
  private final String reason;
  private final String message;
  private final LinkedHashMap<String, String> metadata = new LinkedHashMap<>();
  private final ArrayList<BadRequest.FieldViolation> fieldViolations = new ArrayList<>();
  private Duration retryAfter;
  private transient Throwable cause;

  Failure(Status.Code code, String reason, String message) {
    this.code = code;
    this.reason = reason;
    this.message = message;
  }

  /** A request that the client refuses as the server would. */
  static Failure invalid(String reason, String field, String description) {
    return new Failure(Status.Code.INVALID_ARGUMENT, reason, field + " " + description)
        .with("field", field)
        .violating(field, description);
  }

  Failure with(String key, String value) {
    metadata.put(key, value);
    return this;
  }

  Failure with(Map<String, String> entries) {
    metadata.putAll(entries);
    return this;
  }

  Failure violating(String field, String description) {
    return violating(
        BadRequest.FieldViolation.newBuilder().setField(field).setDescription(description).build());
  }

  Failure violating(BadRequest.FieldViolation violation) {
    fieldViolations.add(violation);
    return this;
  }

  Failure retryAfter(Duration delay) {
    retryAfter = delay;
    return this;
  }

  Failure causedBy(Throwable throwable) {
    cause = throwable;
    return this;
  }

  Status.Code code() {
    return code;
  }

  String reason() {
    return reason;
  }

  String message() {
    return message;
  }

  Map<String, String> metadata() {
    return Collections.unmodifiableMap(metadata);
  }

  List<BadRequest.FieldViolation> fieldViolations() {
    return Collections.unmodifiableList(fieldViolations);
  }

  Duration retryAfter() {
    return retryAfter;
  }

  Throwable cause() {
    return cause;
  }
}
