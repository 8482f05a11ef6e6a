package io.rerankd.client;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.time.Duration;
import java.util.EnumMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.Supplier;

/** From what gRPC raises to the exceptions of this package. */
final class Errors {
  static final String INVALID_REQUEST = "INVALID_REQUEST";

  private static final String DOMAIN = "rerankd";

  private static final Map<String, Function<Failure, RerankdException>> BY_REASON =
      Map.ofEntries(
          Map.entry(INVALID_REQUEST, InvalidRequestException::new),
          Map.entry("TOO_MANY_DOCUMENTS", TooManyDocumentsException::new),
          Map.entry("DOCUMENT_TOO_LONG", DocumentTooLongException::new),
          Map.entry("STREAM_PROTOCOL", StreamProtocolException::new),
          Map.entry("MODEL_NOT_FOUND", ModelNotFoundException::new),
          Map.entry("MODEL_FAILED", ModelFailedException::new),
          Map.entry("MODEL_LOADING", ModelLoadingException::new),
          Map.entry("OVERLOADED", OverloadedException::new),
          Map.entry("DRAINING", DrainingException::new),
          Map.entry("PROVIDER_UNAVAILABLE", ProviderUnavailableException::new),
          Map.entry("QUOTA_EXCEEDED", QuotaExceededException::new),
          Map.entry("CORPUS_NOT_FOUND", CorpusNotFoundException::new),
          Map.entry("RUN_NOT_FOUND", RunNotFoundException::new),
          Map.entry("RUN_ACTIVE", RunActiveException::new),
          Map.entry("TOO_FEW_TRIPLETS", TooFewTripletsException::new),
          Map.entry("PROMOTION_REFUSED", PromotionRefusedException::new),
          Map.entry("NOT_COMPARABLE", NotComparableException::new),
          Map.entry("UNAUTHENTICATED", UnauthenticatedException::new),
          Map.entry("FORBIDDEN", ForbiddenException::new),
          Map.entry("DEADLINE_EXCEEDED", DeadlineExceededException::new),
          Map.entry("CANCELLED", CancelledException::new),
          Map.entry("BACKEND_FAILED", BackendFailedException::new),
          Map.entry("NON_FINITE_SCORE", NonFiniteScoreException::new),
          Map.entry("INTERNAL", InternalException::new));

  // Only codes whose meaning does not depend on who raised them: gRPC, a proxy or the server.
  private static final Map<Status.Code, Function<Failure, RerankdException>> BY_CODE =
      new EnumMap<>(
          Map.of(
              Status.Code.UNAVAILABLE, UnavailableException::new,
              Status.Code.DEADLINE_EXCEEDED, DeadlineExceededException::new,
              Status.Code.CANCELLED, CancelledException::new,
              Status.Code.UNAUTHENTICATED, UnauthenticatedException::new,
              Status.Code.PERMISSION_DENIED, ForbiddenException::new));

  private Errors() {}

  /** The exception for what a stub or an observer of a call raised. */
  static RerankdException of(Throwable thrown) {
    if (thrown instanceof RerankdException) {
      return (RerankdException) thrown;
    }
    Status status = Status.fromThrowable(thrown);
    com.google.rpc.Status details = StatusProto.fromThrowable(thrown);
    // Details that contradict the call's own status are somebody else's: a proxy rewrote the code.
    if (details == null || details.getCode() != status.getCode().value()) {
      return withoutDetails(status, thrown);
    }
    Optional<ErrorInfo> info =
        detail(details, ErrorInfo.class).filter(found -> found.getDomain().equals(DOMAIN));
    return info.isPresent()
        ? withDetails(status, info.get(), details, thrown)
        : withoutDetails(status, thrown);
  }

  /** Runs a blocking stub, and turns what it throws into the exceptions of this package. */
  static <T> T typed(Supplier<T> call) {
    try {
      return call.get();
    } catch (StatusRuntimeException failure) {
      throw of(failure);
    }
  }

  /** An answer that a server of this protocol never gives. */
  static InternalException protocol(String message) {
    return new InternalException(new Failure(Status.Code.INTERNAL, "INTERNAL", message));
  }

  /** The deadline of the call, as the client itself notices it. */
  static DeadlineExceededException deadline(String message, Throwable cause) {
    return new DeadlineExceededException(
        new Failure(Status.Code.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", message).causedBy(cause));
  }

  /** A call that its own side ended. */
  static CancelledException cancelled(String message, Throwable cause) {
    return new CancelledException(
        new Failure(Status.Code.CANCELLED, "CANCELLED", message).causedBy(cause));
  }

  /** A field that the client refuses as the server would. */
  static InvalidRequestException invalid(String field, String description) {
    return new InvalidRequestException(Failure.invalid(INVALID_REQUEST, field, description));
  }

  private static RerankdException withDetails(
      Status status, ErrorInfo info, com.google.rpc.Status details, Throwable cause) {
    Failure failure =
        new Failure(status.getCode(), info.getReason(), message(status))
            .with(info.getMetadataMap())
            .causedBy(cause);
    detail(details, BadRequest.class)
        .ifPresent(request -> request.getFieldViolationsList().forEach(failure::violating));
    detail(details, RetryInfo.class)
        .filter(RetryInfo::hasRetryDelay)
        .map(RetryInfo::getRetryDelay)
        .ifPresent(
            delay ->
                failure.retryAfter(
                    Duration.ofSeconds(delay.getSeconds()).plusNanos(delay.getNanos())));
    Function<Failure, RerankdException> byCode =
        BY_CODE.getOrDefault(status.getCode(), RerankdException::new);
    return BY_REASON.getOrDefault(info.getReason(), byCode).apply(failure);
  }

  /** The exception of a call that gRPC itself failed: code and text are all that it tells. */
  private static RerankdException withoutDetails(Status status, Throwable cause) {
    Failure failure = new Failure(status.getCode(), "", message(status)).causedBy(cause);
    // The same code also stands for quotas of proxies, which a smaller message would not help.
    if (status.getCode() == Status.Code.RESOURCE_EXHAUSTED && isAboutSize(message(status))) {
      return new MessageTooLargeException(failure);
    }
    return BY_CODE.getOrDefault(status.getCode(), RerankdException::new).apply(failure);
  }

  // The first text is that of servers in C, Python and Go, the second that of grpc-java.
  private static boolean isAboutSize(String message) {
    return message.contains("larger than max") || message.contains("exceeds maximum size");
  }

  private static String message(Status status) {
    String description = status.getDescription();
    return description == null || description.isEmpty() ? status.getCode().name() : description;
  }

  private static <T extends Message> Optional<T> detail(
      com.google.rpc.Status status, Class<T> type) {
    for (Any detail : status.getDetailsList()) {
      if (detail.is(type)) {
        try {
          return Optional.of(detail.unpack(type));
        } catch (InvalidProtocolBufferException unreadable) {
          return Optional.empty();
        }
      }
    }
    return Optional.empty();
  }
}
