package io.rerankd.client;

import io.grpc.Deadline;
import io.grpc.SynchronizationContext;
import io.rerankd.v1.Document;
import io.rerankd.v1.Outcome;
import io.rerankd.v1.RerankResponse;
import io.rerankd.v1.RerankStreamResponse;
import io.rerankd.v1.ScoreChunk;
import java.time.Duration;
import java.util.concurrent.Flow;
import java.util.concurrent.TimeUnit;
import java.util.function.LongConsumer;

/**
 * One call of rerankStream over all its attempts: reads documents from a publisher, sends them as
 * the server scores them, ranks, and tells a subscriber.
 *
 * <p>All state belongs to a {@link SynchronizationContext}: whatever arrives, from the publisher,
 * gRPC, a timer or the subscriber, is queued there, and one thread at a time works it off. Nothing
 * in it blocks.
 */
final class StreamEngine
    implements Flow.Subscription, Attempt.Listener, DocumentSubscriber.Listener {
  // A fault of the subscriber, the publisher or this class must end the stream, not hang it.
  private final SynchronizationContext context =
      new SynchronizationContext(
          (thread, thrown) -> this.context.execute(() -> end(thrown)));
  private final CallerContext callerContext = CallerContext.capture();
  private final StreamSupport support;
  private final StreamPlan plan;
  private final Flow.Publisher<? extends Document> documents;
  private final Deadline deadline;
  private final ResumePolicy resume;
  private final StreamProgress progress;
  private final EventOutlet outlet;
  private final StreamTimers timers;

  private StreamPhase phase = StreamPhase.LEARNING;
  private DocumentWindow window;
  private Flow.Subscription source;
  private long asked;
  private boolean sourceDone;
  private Attempt attempt;
  private RerankResponse serverSummary;
  private RerankdException lastFailure;
  /** Written in the context, read by anyone. */
  private volatile int resumes;

  StreamEngine(
      StreamSupport support,
      StreamPlan plan,
      Flow.Publisher<? extends Document> documents,
      Flow.Subscriber<? super RerankStreamResponse> subscriber) {
    this.support = support;
    this.plan = plan;
    this.documents = documents;
    deadline = plan.settings().timeout().map(support.calls()::after).orElse(null);
    resume = new ResumePolicy(support.resumeAttempts());
    progress = new StreamProgress(plan);
    timers = new StreamTimers(support, context);
    LongConsumer wakeUp = nanos -> timers.after(Duration.ofNanos(nanos), this::deliver);
    outlet = new EventOutlet(subscriber, plan, progress::snapshot, wakeUp);
  }

  /** How many attempts followed the first. */
  int resumes() {
    return resumes;
  }

  /** Gives the subscriber its subscription and begins; called once. */
  void start() {
    outlet.begin(this);
    context.execute(
        () -> {
          if (!support.opened(this)) {
            end(Errors.cancelled("the client is closed", null));
            return;
          }
          if (deadline != null) {
            long left = Math.max(0, deadline.timeRemaining(TimeUnit.NANOSECONDS));
            timers.after(Duration.ofNanos(left), this::deadlineExpired);
          }
          learnLimits();
        });
  }

  @Override
  public void request(long events) {
    context.execute(
        () -> {
          if (events <= 0) {
            end(new IllegalArgumentException("request(" + events + "); it takes 1 or more"));
            return;
          }
          outlet.request(events);
          deliver();
        });
  }

  @Override
  public void cancel() {
    context.execute(
        () -> {
          outlet.abandon();
          release("the caller cancelled the stream");
        });
  }

  /** Ends the stream because its client is closed. */
  void clientClosed() {
    context.execute(() -> end(Errors.cancelled("the client was closed", null)));
  }

  private void learnLimits() {
    if (support.calls().limitsKnown()) {
      open();
      return;
    }
    Deadline within =
        deadline == null ? support.calls().unaryDeadline(CallSettings.defaults()) : deadline;
    callerContext.run(
        () -> support.calls().askLimits(within, () -> context.execute(this::open)));
  }

  private void open() {
    if (phase != StreamPhase.LEARNING) {
      return;
    }
    ServerLimits limits = support.calls().limits();
    try {
      plan.check(limits.maxSnapshotResults());
    } catch (InvalidRequestException refused) {
      end(refused);
      return;
    }
    window = new DocumentWindow(limits, plan.settings().chunkDocuments());
    phase = StreamPhase.SENDING;
    documents.subscribe(new DocumentSubscriber(context, this));
  }

  /** Does all that can be done now: sends, reads, delivers. */
  private void pump() {
    if (phase == StreamPhase.SENDING) {
      sendChunks();
    }
    readMore();
    if (sourceDone && (phase == StreamPhase.READING || phase == StreamPhase.GIVING_UP)) {
      finish();
    }
    deliver();
  }

  private void sendChunks() {
    while (window.isChunkDue(noMoreToSend())) {
      if (attempt == null) {
        callerContext.run(this::openAttempt);
      }
      if (!attempt.isReady()) {
        return;
      }
      attempt.send(window.takeChunk());
    }
    if (!noMoreToSend() || !window.isAllSent()) {
      return;
    }
    if (attempt != null) {
      attempt.halfClose();
    } else if (progress.received() > 0) {
      // An earlier attempt scored all there is, but failed before it said so.
      phase = StreamPhase.READING;
    } else {
      end(Errors.invalid("documents", "is empty; send at least one"));
    }
  }

  private boolean noMoreToSend() {
    return sourceDone || !plan.sends(progress.received());
  }

  private void openAttempt() {
    if (lastFailure != null) {
      resumes++;
    }
    attempt =
        Attempt.open(
            support.calls().async(deadline), plan.start(), outlet.room(), context, this);
  }

  private void readMore() {
    if (source == null || sourceDone || asked > 0 || phase == StreamPhase.ENDED) {
      return;
    }
    int room = window.room();
    if (room > 0) {
      asked = room;
      source.request(room);
    }
  }

  private void deliver() {
    int freed = outlet.deliver();
    if (freed > 0 && attempt != null) {
      attempt.request(freed);
    }
  }

  @Override
  public void onSource(Flow.Subscription subscription) {
    if (source != null || phase == StreamPhase.ENDED) {
      subscription.cancel();
      return;
    }
    source = subscription;
    pump();
  }

  @Override
  public void onSourceEnd(Throwable failure) {
    sourceDone = true;
    if (failure != null) {
      end(failure);
    } else if (phase != StreamPhase.ENDED) {
      pump();
    }
  }

  @Override
  public void onDocument(Document document) {
    asked--;
    if (phase == StreamPhase.ENDED) {
      return;
    }
    try {
      keep(document);
    } catch (InvalidRequestException refused) {
      end(refused);
    }
    pump();
  }

  private void keep(Document document) {
    int index = progress.read(document);
    if (phase != StreamPhase.GIVING_UP && plan.sends(index)) {
      window.add(index, document);
    } else {
      progress.leaveUnscored(index, document);
    }
  }

  @Override
  public void onReady(Attempt from) {
    if (from == attempt) {
      pump();
    }
  }

  @Override
  public void onMessage(Attempt from, RerankStreamResponse message) {
    if (from != attempt) {
      return;
    }
    boolean waits = message.hasScores() && takeScores(message.getScores());
    if (message.hasSummary()) {
      serverSummary = message.getSummary();
    }
    if (!waits && attempt != null) {
      attempt.request(1);
    }
    pump();
  }

  private boolean takeScores(ScoreChunk chunk) {
    try {
      ScoreChunk event = progress.take(chunk, window, outlet::rankingChanged);
      if (event.getIndexCount() + event.getUnscoredIndexCount() == 0) {
        return false;
      }
      resume.scored();
      return outlet.offer(event);
    } catch (RerankdException failure) {
      attempt.cancel("the scores cannot be used");
      attempt = null;
      failed(failure);
      return false;
    }
  }

  @Override
  public void onClosed(Attempt from, RerankdException failure) {
    if (from != attempt) {
      return;
    }
    attempt = null;
    progress.attemptEnded();
    if (failure != null) {
      failed(failure);
    } else if (serverSummary == null) {
      failed(Errors.protocol("the stream ended without a summary"));
    } else if (serverSummary.getOutcome() == Outcome.OUTCOME_RERANKED
        && !(from.isHalfClosed() && window.isEmpty())) {
      failed(Errors.protocol("the server ended the stream before every document had a score"));
    } else {
      endAs(serverSummary.getOutcome(), serverSummary.getOutcomeReason());
    }
    pump();
  }

  /** Settles the outcome; unless time is over, the rest of the documents is read first. */
  private void endAs(Outcome outcome, String reason) {
    progress.endedAs(outcome, reason);
    if (outcome == Outcome.OUTCOME_RERANKED) {
      phase = StreamPhase.READING;
    } else if (outcome == Outcome.OUTCOME_PASSTHROUGH) {
      phase = StreamPhase.GIVING_UP;
      window.drain((index, document) -> { });
    } else {
      finish();
    }
  }

  private void failed(RerankdException failure) {
    window.restore();
    lastFailure = failure;
    if (failure instanceof DeadlineExceededException && plan.wantsPartial()) {
      deadlineExpired();
    } else if (resume.mayResume(failure) && progress.canGoOn()) {
      goOnAfter(resume.delay(failure));
    } else if (plan.forgives(failure)) {
      endAs(Outcome.OUTCOME_PASSTHROUGH, failure.getReason() + ": " + failure.getMessage());
      pump();
    } else {
      end(failure);
    }
  }

  private void goOnAfter(Duration delay) {
    if (noMoreToSend() && window.isEmpty()) {
      phase = StreamPhase.READING;
    } else {
      phase = StreamPhase.WAITING;
      timers.after(delay, this::resume);
    }
  }

  private void resume() {
    if (phase == StreamPhase.WAITING) {
      phase = StreamPhase.SENDING;
      pump();
    }
  }

  private void deadlineExpired() {
    if (phase == StreamPhase.ENDED) {
      return;
    }
    if (plan.wantsPartial()) {
      if (phase != StreamPhase.GIVING_UP) {
        progress.endedAs(Outcome.OUTCOME_PARTIAL, "the deadline came first");
      }
      finish();
      deliver();
    } else {
      end(Errors.deadline(progress.atDeadline(), lastFailure));
    }
  }

  private void finish() {
    if (phase == StreamPhase.ENDED) {
      return;
    }
    outlet.complete(progress.answer(window, serverSummary));
    release("the stream is ranked");
  }

  private void end(Throwable failure) {
    if (phase == StreamPhase.ENDED) {
      return;
    }
    outlet.fail(failure);
    release("the stream failed");
    deliver();
  }

  /** Lets go of everything but what the subscriber has still to be told. */
  private void release(String why) {
    phase = StreamPhase.ENDED;
    if (attempt != null) {
      attempt.cancel(why);
      attempt = null;
    }
    if (source != null && !sourceDone) {
      source.cancel();
    }
    timers.cancel();
    support.closed(this);
  }
}
