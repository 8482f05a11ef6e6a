package io.rerankd.client;

import com.google.protobuf.MessageLite;
import io.grpc.Channel;
import io.grpc.Deadline;
import io.grpc.StatusRuntimeException;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.stub.AbstractStub;
import io.grpc.stub.StreamObserver;
import io.rerankd.training.v1alpha.TrainingServiceGrpc;
import io.rerankd.v1.RerankServiceGrpc;
import io.rerankd.v1.StatusRequest;
import io.rerankd.v1.StatusResponse;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.logging.Level;
import java.util.logging.Logger;

/** The stubs of one client: the deadline of each call, and what Status taught about limits. */
final class Calls {
  private static final Logger log = Logger.getLogger(Calls.class.getName());

  /** A first warm-up may download the model. */
  static final Duration WARMUP_TIMEOUT = Duration.ofMinutes(5);

  private final Channel channel;
  private final Duration timeout;
  private final boolean waitForReady;
  private volatile ServerLimits limits = ServerLimits.DEFAULTS;
  private volatile boolean limitsKnown;

  Calls(Channel channel, Duration timeout, boolean waitForReady) {
    this.channel = channel;
    this.timeout = timeout;
    this.waitForReady = waitForReady;
  }

  /** The deadline of a unary call, which starts now. */
  Deadline unaryDeadline(CallSettings settings) {
    return after(settings.timeout().orElse(timeout));
  }

  Deadline after(Duration duration) {
    return Deadline.after(nanos(duration), TimeUnit.NANOSECONDS);
  }

  RerankServiceGrpc.RerankServiceBlockingStub blocking(Deadline deadline) {
    return prepare(RerankServiceGrpc.newBlockingStub(channel), deadline);
  }

  /** Without a deadline where it is null. */
  RerankServiceGrpc.RerankServiceStub async(Deadline deadline) {
    return prepare(RerankServiceGrpc.newStub(channel), deadline);
  }

  TrainingServiceGrpc.TrainingServiceBlockingStub blockingTraining(Deadline deadline) {
    return prepare(TrainingServiceGrpc.newBlockingStub(channel), deadline);
  }

  HealthGrpc.HealthBlockingStub blockingHealth(Deadline deadline) {
    return prepare(HealthGrpc.newBlockingStub(channel), deadline);
  }

  HealthGrpc.HealthStub asyncHealth(Deadline deadline) {
    return prepare(HealthGrpc.newStub(channel), deadline);
  }

  ServerLimits limits() {
    return limits;
  }

  boolean limitsKnown() {
    return limitsKnown;
  }

  void learn(StatusResponse status) {
    limits = new ServerLimits(status.getLimits());
    limitsKnown = true;
  }

  /** Asks for the limits where they are not known; without an answer the defaults stay. */
  void tryToLearnLimits(Deadline deadline) {
    if (!limitsKnown) {
      try {
        learn(blocking(deadline).status(StatusRequest.getDefaultInstance()));
      } catch (StatusRuntimeException failure) {
        // Whatever is wrong, the call itself says it better, or gets over it.
        log.log(Level.FINE, "the limits are not known", failure);
      }
    }
  }

  /** Asks for the limits; goes on in a thread of gRPC, also without an answer. */
  void askLimits(Deadline deadline, Runnable then) {
    async(deadline)
        .status(
            StatusRequest.getDefaultInstance(),
            new StreamObserver<>() {
              @Override
              public void onNext(StatusResponse status) {
                learn(status);
              }

              @Override
              public void onError(Throwable thrown) {
                log.log(Level.FINE, "the limits are not known", thrown);
                then.run();
              }

              @Override
              public void onCompleted() {
                then.run();
              }
            });
  }

  /** Refuses what the server would refuse; asks for its limits before it says no. */
  void check(MessageLite request, Deadline deadline) {
    if (!limits.admit(request) && !limitsKnown) {
      try {
        learn(blocking(deadline).status(StatusRequest.getDefaultInstance()));
      } catch (StatusRuntimeException failure) {
        cannotLearn(Errors.of(failure));
      }
    }
    limits.check(request);
  }

  /** Goes on with the defaults when Status is refused; throws when no call would get through. */
  void cannotLearn(RerankdException failure) {
    if (failure instanceof UnavailableException
        || failure instanceof DeadlineExceededException
        || failure instanceof CancelledException) {
      throw failure;
    }
    limitsKnown = true;
  }

  private <S extends AbstractStub<S>> S prepare(S stub, Deadline deadline) {
    S prepared = waitForReady ? stub.withWaitForReady() : stub;
    return deadline == null ? prepared : prepared.withDeadline(deadline);
  }

  /** The nanoseconds of a duration; 292 years for a longer one. */
  static long nanos(Duration duration) {
    try {
      return duration.toNanos();
    } catch (ArithmeticException overflow) {
      return Long.MAX_VALUE;
    }
  }
}
