package io.rerankd.client;

import com.google.rpc.BadRequest;
import io.grpc.Status;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A call that failed; its subclasses tell one cause from another.
 *
 * <pre>
 * RerankdException
 * ├── InvalidRequestException
 * │   ├── TooManyDocumentsException
 * │   ├── DocumentTooLongException
 * │   └── StreamProtocolException
 * ├── MessageTooLargeException
 * ├── ModelNotFoundException
 * ├── ModelFailedException
 * ├── ModelChangedException
 * ├── UnavailableException
 * │   ├── ModelLoadingException
 * │   ├── OverloadedException
 * │   ├── DrainingException
 * │   └── ProviderUnavailableException
 * ├── QuotaExceededException
 * ├── CorpusNotFoundException
 * ├── RunNotFoundException
 * ├── RunActiveException
 * ├── TooFewTripletsException
 * ├── PromotionRefusedException
 * ├── NotComparableException
 * ├── UnauthenticatedException
 * ├── ForbiddenException
 * ├── DeadlineExceededException
 * ├── CancelledException
 * ├── BackendFailedException
 * ├── NonFiniteScoreException
 * └── InternalException
 * </pre>
 *
 * <p>This class itself stands for a reason or a code of a later server that none of them covers. The
 * message is for a person to read and never holds text of a query or a document.
 */
public class RerankdException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final Failure failure;

  RerankdException(Failure failure) {
    super(failure.message(), failure.cause());
    this.failure = failure;
  }

  /**
   * Returns the gRPC status code.
   *
   * @return the code, never {@code OK}
   */
  public Status.Code getCode() {
    return failure.code();
  }

  /**
   * Returns the name of the {@code io.rerankd.v1.ErrorReason}, without its prefix.
   *
   * @return for example {@code OVERLOADED}; empty where gRPC itself, a proxy or this client raised
   *     the error without one
   */
  public String getReason() {
    return failure.reason();
  }

  /**
   * Returns the parts of the message that vary, by name.
   *
   * @return an unmodifiable map, possibly empty
   */
  public Map<String, String> getMetadata() {
    return failure.metadata();
  }

  /**
   * Returns the fields of the request at fault.
   *
   * @return an unmodifiable list, empty unless the request was refused
   */
  public List<BadRequest.FieldViolation> getFieldViolations() {
    return failure.fieldViolations();
  }

  /**
   * Returns the delay after which a retry makes sense.
   *
   * @return the delay, or nothing where the server named none
   */
  public Optional<Duration> getRetryAfter() {
    return Optional.ofNullable(failure.retryAfter());
  }
}
