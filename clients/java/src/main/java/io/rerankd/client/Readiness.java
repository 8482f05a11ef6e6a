package io.rerankd.client;

import io.grpc.Context;
import io.grpc.Deadline;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.rerankd.v1.RerankServiceGrpc;
import java.time.Duration;
import java.util.Iterator;
import java.util.concurrent.TimeUnit;
import java.util.logging.Level;
import java.util.logging.Logger;

/** Asks the server's health service. */
final class Readiness {
  /** Health name that is SERVING when the default model is warm. */
  static final String DEFAULT_MODEL = RerankServiceGrpc.SERVICE_NAME;

  private static final Logger log = Logger.getLogger(Readiness.class.getName());

  // A server that ends each Watch at once, for example while it drains, is not asked in a tight loop.
  private static final Duration WATCH_AGAIN = Duration.ofMillis(200);

  private final Calls calls;

  Readiness(Calls calls) {
    this.calls = calls;
  }

  /** False too for a name that the server does not know. */
  boolean isServing(String service, Deadline deadline) {
    try {
      return isServing(calls.blockingHealth(deadline).check(request(service)));
    } catch (StatusRuntimeException failure) {
      if (failure.getStatus().getCode() == Status.Code.NOT_FOUND) {
        return false;
      }
      throw Errors.of(failure);
    }
  }

  void await(String service, Duration timeout) {
    Deadline deadline = calls.after(timeout);
    RerankdException last = null;
    while (!deadline.isExpired()) {
      try {
        if (watch(service, deadline)) {
          return;
        }
      } catch (StatusRuntimeException failure) {
        last = Errors.of(failure);
        if (last instanceof DeadlineExceededException) {
          break;
        }
        if (!(last instanceof UnavailableException)) {
          throw last;
        }
        // The server went away while it was watched; its successor may be on its way.
        log.log(Level.FINE, "watching again", failure);
      }
      pause(deadline);
    }
    throw Errors.deadline(
        service + " is not SERVING after " + timeout + "; ask status what the model does", last);
  }

  static HealthCheckRequest request(String service) {
    return HealthCheckRequest.newBuilder().setService(service).build();
  }

  static boolean isServing(HealthCheckResponse response) {
    return response.getStatus() == ServingStatus.SERVING;
  }

  private boolean watch(String service, Deadline deadline) {
    Context.CancellableContext context = Context.current().withCancellation();
    Context previous = context.attach();
    try {
      Iterator<HealthCheckResponse> states =
          calls.blockingHealth(deadline).withWaitForReady().watch(request(service));
      while (states.hasNext()) {
        if (isServing(states.next())) {
          return true;
        }
      }
      return false;
    } finally {
      context.detach(previous);
      context.cancel(null);
    }
  }

  private static void pause(Deadline deadline) {
    long left = Math.max(0, deadline.timeRemaining(TimeUnit.MILLISECONDS));
    try {
      Thread.sleep(Math.min(left, WATCH_AGAIN.toMillis()));
    } catch (InterruptedException interrupt) {
      Thread.currentThread().interrupt();
      throw Errors.cancelled("the waiting thread was interrupted", interrupt);
    }
  }
}
