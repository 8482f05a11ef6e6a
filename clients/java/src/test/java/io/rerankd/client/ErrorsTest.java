package io.rerankd.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Any;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import io.rerankd.v1.ErrorReason;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.time.Duration;
import java.util.Arrays;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

class ErrorsTest {
  static Stream<String> reasons() {
    return Arrays.stream(ErrorReason.values())
        .filter(r -> r != ErrorReason.UNRECOGNIZED && r.getNumber() != 0)
        .map(r -> r.name().substring("ERROR_REASON_".length()));
  }

  @ParameterizedTest
  @MethodSource("reasons")
  void eachReasonOfTheContractHasItsType(String reason) {
    RerankdException failure =
        Errors.of(FakeServer.error(Status.Code.INTERNAL, reason, "what happened"));

    StringBuilder name = new StringBuilder();
    for (String word : reason.split("_")) {
      name.append(word.charAt(0)).append(word.substring(1).toLowerCase());
    }
    assertEquals(name + "Exception", failure.getClass().getSimpleName());
    assertEquals(reason, failure.getReason());
    assertEquals("what happened", failure.getMessage());
    assertEquals("tiny", failure.getMetadata().get("model"));
  }

  @ParameterizedTest
  @CsvSource({
    "UNAVAILABLE, UnavailableException",
    "DEADLINE_EXCEEDED, DeadlineExceededException",
    "CANCELLED, CancelledException",
    "UNAUTHENTICATED, UnauthenticatedException",
    "PERMISSION_DENIED, ForbiddenException",
    "INTERNAL, RerankdException",
    "RESOURCE_EXHAUSTED, RerankdException",
    "UNIMPLEMENTED, RerankdException"
  })
  void withoutAKnownReasonTheCodeDecides(Status.Code code, String type) {
    RerankdException unknown = Errors.of(FakeServer.error(code, "OF_A_LATER_SERVER", "m"));
    RerankdException plain = Errors.of(code.toStatus().withDescription("m").asException());

    assertEquals(type, unknown.getClass().getSimpleName());
    assertEquals("OF_A_LATER_SERVER", unknown.getReason());
    assertEquals(type, plain.getClass().getSimpleName());
    assertEquals("", plain.getReason());
    assertEquals(code, plain.getCode());
  }

  @Test
  void theDetailsAreKept() {
    com.google.rpc.Status status =
        com.google.rpc.Status.newBuilder()
            .setCode(Status.Code.INVALID_ARGUMENT.value())
            .setMessage("bad")
            .addDetails(
                Any.pack(
                    ErrorInfo.newBuilder()
                        .setDomain("rerankd")
                        .setReason("INVALID_REQUEST")
                        .build()))
            .addDetails(
                Any.pack(
                    BadRequest.newBuilder()
                        .addFieldViolations(
                            BadRequest.FieldViolation.newBuilder()
                                .setField("options.top_n")
                                .setDescription("is -1"))
                        .build()))
            .build();
    StatusRuntimeException raised = StatusProto.toStatusRuntimeException(status);

    RerankdException failure = Errors.of(raised);

    assertEquals("options.top_n", failure.getFieldViolations().get(0).getField());
    assertEquals(Optional.empty(), failure.getRetryAfter());
    assertSame(raised, failure.getCause());
  }

  @Test
  void theDelayIsADuration() {
    RerankdException failure =
        Errors.of(
            FakeServer.error(
                Status.Code.UNAVAILABLE, "OVERLOADED", "m", Duration.ofMillis(1500)));
    assertEquals(Optional.of(Duration.ofMillis(1500)), failure.getRetryAfter());
    assertTrue(failure instanceof UnavailableException);
  }

  @Test
  void detailsOfSomebodyElseAreNotOurs() {
    com.google.rpc.Status status =
        com.google.rpc.Status.newBuilder()
            .setCode(Status.Code.UNAVAILABLE.value())
            .addDetails(
                Any.pack(
                    ErrorInfo.newBuilder()
                        .setDomain("proxy.example")
                        .setReason("OVERLOADED")
                        .build()))
            .build();
    RerankdException failure = Errors.of(StatusProto.toStatusRuntimeException(status));
    assertEquals(UnavailableException.class, failure.getClass());
    assertEquals("", failure.getReason());
  }

  @Test
  void whatTheClientRefusesItselfSurvivesSerialization()
      throws IOException, ClassNotFoundException {
    RerankdException failure = Errors.invalid("options.top_n", "is -1");
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (ObjectOutputStream out = new ObjectOutputStream(bytes)) {
      out.writeObject(failure);
    }
    try (ObjectInputStream in =
        new ObjectInputStream(new ByteArrayInputStream(bytes.toByteArray()))) {
      RerankdException copy = (RerankdException) in.readObject();
      assertEquals(failure.getReason(), copy.getReason());
      assertEquals(failure.getMetadata(), copy.getMetadata());
    }
  }
}
