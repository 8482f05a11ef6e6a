"""What is known of a stream across its interruptions; no input or output happens here."""

from __future__ import annotations

import time
from collections.abc import Iterator

from rerankd.client._errors import (
    DeadlineExceededError,
    FieldViolation,
    InternalError,
    InvalidRequestError,
    ModelChangedError,
    RerankdError,
)
from rerankd.client._limits import Chunker, ServerLimits, check_fits_chunk, document_cost
from rerankd.client._requests import DocumentLike, document_message
from rerankd.client._resume import ResumePolicy
from rerankd.client._stream_ranking import Entry, collector, score_rows
from rerankd.v1 import rerank_service_pb2 as pb

DEFAULT_SNAPSHOT_INTERVAL_SECONDS = 0.25

# Beside the bound in documents: a few large documents must not fill the memory either.
WINDOW_BYTES = 4 * 1024 * 1024

# With these, the server could only say that it did not score: ORIGINAL_ORDER stands for the error.
_FORGIVABLE = frozenset(
    (
        "MODEL_LOADING",
        "MODEL_FAILED",
        "OVERLOADED",
        "DRAINING",
        "PROVIDER_UNAVAILABLE",
        "BACKEND_FAILED",
        "NON_FINITE_SCORE",
        "INTERNAL",
    )
)

Event = pb.ScoreChunk | pb.Snapshot


class StreamState:
    """The documents, scores and attempts of one stream.

    Args:
        start: The first message as the caller wants the stream; what the client does by itself is taken
            out of the message that is sent.
        limits: The server's bounds.
        chunk_documents: Most documents of one message.
        resume_attempts: See `ClientOptions`.
        until: Deadline on the clock of `time.monotonic`; None for none.
    """

    def __init__(
        self,
        start: pb.RerankStreamStart,
        limits: ServerLimits,
        *,
        chunk_documents: int,
        resume_attempts: int,
        until: float | None,
    ) -> None:
        if chunk_documents < 1:
            raise ValueError("chunk_documents must be at least 1")
        self._options = start.options
        self._limits = limits
        self._chunk_documents = chunk_documents
        self._snapshots = _Snapshots(start, limits) if start.emit == pb.STREAM_EMIT_SNAPSHOTS else None
        self._emits_scores = start.emit == pb.STREAM_EMIT_SCORES
        self._policy = ResumePolicy(resume_attempts)
        self._until = until
        self._top = collector(start.options)
        self._outstanding: dict[int, pb.Document] = {}
        self._outstanding_bytes = 0
        self._usage = pb.Usage()
        self._timing = pb.Timing()
        self._model: pb.ModelRef | None = None
        self._attempts = 0
        self.start_message = pb.RerankStreamRequest(start=_sent_start(start))
        self.received = 0
        """Documents read so far; the index of the next one."""
        self.exhausted = False
        """Whether the documents have come to their end."""
        self.response: pb.RerankResponse | None = None
        """The answer, once there is one."""

    @property
    def resumes(self) -> int:
        """How often the stream was opened again."""
        return self._policy.resumes

    def remaining_seconds(self) -> float | None:
        """Time until the deadline; None without one."""
        return None if self._until is None else self._until - time.monotonic()

    def new_chunker(self) -> Chunker:
        """The packing of the next attempt; only later attempts have to tell indexes."""
        self._attempts += 1
        return Chunker(
            max_documents=self._chunk_documents,
            max_bytes=self._limits.max_chunk_bytes,
            indexed=self._attempts > 1,
        )

    def has_room(self) -> bool:
        """Whether another document may be read: not while too many are sent and not scored."""
        return (
            len(self._outstanding) < 2 * self._limits.stream_window_documents
            and self._outstanding_bytes < WINDOW_BYTES
        )

    def take(self, document: DocumentLike) -> None:
        """Notes the next document; it is to be sent unless it is one that is not scored.

        Raises:
            InvalidRequestError: It is no document, or larger than a chunk may be.
        """
        message = document_message(document, self.received)
        limit = self._options.max_scored_documents
        if 0 < limit <= self.received:
            self.take_unsent(message)
            return
        cost = check_fits_chunk(self.received, message, self._limits.max_chunk_bytes)
        self._top.read(self.received, message)
        self._outstanding[self.received] = message
        self._outstanding_bytes += cost
        self.received += 1

    def take_unsent(self, document: DocumentLike) -> None:
        """Notes a document that nobody will score."""
        message = document_message(document, self.received)
        self._top.read(self.received, message)
        self._top.left_unscored(self.received, message)
        self.received += 1

    def unscored_after(self, index: int) -> list[Entry]:
        """The documents beyond an index that wait for a score, in order."""
        if self.received - index > len(self._outstanding):
            return [entry for entry in self._outstanding.items() if entry[0] > index]
        # Nearly always one document or none: the window must not be searched for each.
        beyond = range(index + 1, self.received)
        return [(i, document) for i in beyond if (document := self._outstanding.get(i)) is not None]

    def events(self, message: pb.RerankStreamResponse) -> Iterator[Event]:
        """Takes a message of the server and yields what the caller should see of it.

        Raises:
            ModelChangedError: The scores come from another model than those before.
        """
        match message.WhichOneof("message"):
            case "scores":
                yield from self._take_scores(message.scores)
            case "summary":
                yield from self._finish(message.summary)

    def after_failure(self, error: RerankdError) -> float | None:
        """Seconds until the next attempt; None if there is to be none.

        Then `response` is the answer, or the rest of the documents has to be read for `pass_through`.

        Raises:
            RerankdError: The stream has failed.
        """
        if self.exhausted and not self._outstanding and self._model is not None:
            self._answer_without_summary()
            return None
        partial = self._options.on_deadline == pb.DEADLINE_MODE_PARTIAL
        if partial and isinstance(error, DeadlineExceededError):
            self._answer(pb.OUTCOME_PARTIAL, "the deadline came first")
            return None
        delay = self._policy.delay_after(error) if self._is_resumable() else None
        remaining = self.remaining_seconds()
        if delay is not None and (remaining is None or delay < remaining):
            return delay
        if delay is not None and partial:
            self._answer(pb.OUTCOME_PARTIAL, "the deadline came first")
            return None
        forgiving = self._options.on_failure == pb.FAILURE_MODE_ORIGINAL_ORDER
        if forgiving and _is_forgivable(error):
            return None
        raise error

    def pass_through(self, error: RerankdError) -> None:
        """Answers in the original order; every document has been read by now."""
        self._usage = pb.Usage()
        self._answer(pb.OUTCOME_PASSTHROUGH, f"{error.reason}: {error.message}")

    def _is_resumable(self) -> bool:
        """A server that tells no model is too old to take indexes, and another one could not be compared."""
        return self._usage.scored_documents == 0 or self._model is not None

    def _take_scores(self, chunk: pb.ScoreChunk) -> Iterator[Event]:
        if chunk.HasField("model"):
            self._check_model(chunk.model)
        changed = False
        for index, score in score_rows(chunk):
            changed |= self._top.scored(index, self._answered(index), score)
            self._usage.scored_documents += 1
            self._usage.truncated_documents += score.dropped_tokens > 0
        for index in chunk.unscored_index:
            self._top.left_unscored(index, self._answered(index))
        if chunk.index or chunk.unscored_index:
            self._policy.progressed()
        if self._emits_scores:
            yield chunk
        elif self._snapshots is not None and self._snapshots.due(changed=changed):
            yield self._snapshot()

    def _answered(self, index: int) -> pb.Document:
        """Takes a document out of the window."""
        document = self._outstanding.pop(index, None)
        if document is None:
            raise InternalError(f"the server answered documents[{index}], which was not waiting")
        self._outstanding_bytes -= document_cost(document)
        return document

    def _check_model(self, model: pb.ModelRef) -> None:
        if self._model is None:
            self._model = model
            return
        # A model that could not be loaded has no revision: it leaves unscored what another stream began.
        revisions = (self._model.revision, "")
        if model.id != self._model.id or model.revision not in revisions:
            raise ModelChangedError(
                f"the interrupted stream was scored by {_name(self._model)} and would go on with "
                f"{_name(model)}; their scores cannot be compared: run it again",
                metadata={"before": _name(self._model), "now": _name(model)},
            )

    def _finish(self, summary: pb.RerankResponse) -> Iterator[Event]:
        for name in ("tokens", "cache_hits", "deduplicated", "provider_units", "provider_cost"):
            setattr(self._usage, name, getattr(self._usage, name) + getattr(summary.usage, name))
        self._usage.provider_units_estimated |= summary.usage.provider_units_estimated
        self._timing = summary.timing
        self._check_model(summary.model)
        if self._snapshots is not None and self._snapshots.pending:
            yield self._snapshot()
        self._answer(summary.outcome, summary.outcome_reason)

    def _snapshot(self) -> pb.Snapshot:
        scored = self._usage.scored_documents
        return pb.Snapshot(results=self._top.best(), received=self.received, scored=scored)

    def _answer_without_summary(self) -> None:
        """Answers when a stream is lost with nothing left to ask for but its outcome."""
        if self._usage.scored_documents:
            self._answer(pb.OUTCOME_RERANKED, "")
        else:
            self._answer(pb.OUTCOME_PASSTHROUGH, "NONE: the server left every document unscored")

    def _answer(self, outcome: pb.Outcome.ValueType, reason: str) -> None:
        self._usage.documents = self.received
        if outcome == pb.OUTCOME_PASSTHROUGH:
            results = self._top.original_order()
        else:
            for index, document in self._outstanding.items():
                self._top.left_unscored(index, document)
            results = self._top.ranking()
        self.response = pb.RerankResponse(
            results=results,
            model=self._model or pb.ModelRef(id=self._options.model),
            usage=self._usage,
            timing=self._timing,
            outcome=outcome,
            outcome_reason=reason,
        )


class _Snapshots:
    """When the next snapshot may be sent."""

    def __init__(self, start: pb.RerankStreamStart, limits: ServerLimits) -> None:
        if not 1 <= start.options.top_n <= limits.max_snapshot_results:
            raise _top_n_out_of_bounds(start.options.top_n, limits.max_snapshot_results)
        self._interval = DEFAULT_SNAPSHOT_INTERVAL_SECONDS
        if start.HasField("snapshot_interval"):
            self._interval = start.snapshot_interval.ToTimedelta().total_seconds()
        self._next_at = 0.0
        self.pending = False
        """Whether the ranking changed after the last one."""

    def due(self, *, changed: bool) -> bool:
        """Whether one is to be sent now; if so, it counts as sent."""
        self.pending |= changed
        now = time.monotonic()
        if not self.pending or now < self._next_at:
            return False
        self._next_at = now + self._interval
        self.pending = False
        return True


def _is_forgivable(error: RerankdError) -> bool:
    """Whether it is no fault of the request; a quota is the caller's own unless it is a provider's."""
    quota_of_provider = error.reason == "QUOTA_EXCEEDED" and "provider" in error.metadata
    return error.reason in _FORGIVABLE or quota_of_provider


def _sent_start(start: pb.RerankStreamStart) -> pb.RerankStreamStart:
    """What the server is asked: scores of every document. What it has to refuse, it gets unchanged."""
    sent = pb.RerankStreamStart()
    sent.CopyFrom(start)
    if start.emit in (pb.STREAM_EMIT_UNSPECIFIED, pb.STREAM_EMIT_SUMMARY_ONLY, pb.STREAM_EMIT_SNAPSHOTS):
        sent.emit = pb.STREAM_EMIT_SCORES
    options = sent.options
    if options.top_n >= 0:
        # The reply of a stream whose chunks have told everything can be short.
        options.top_n = 1
    options.return_documents = False
    if options.on_failure == pb.FAILURE_MODE_ORIGINAL_ORDER:
        # The client can do that after all its attempts. Before, the server may try other models.
        options.on_failure = pb.FAILURE_MODE_UNSPECIFIED
    return sent


def _top_n_out_of_bounds(top_n: int, most: int) -> InvalidRequestError:
    description = f"is {top_n}; it must be 1 to {most} in a stream with snapshots"
    return InvalidRequestError(
        f"options.top_n {description}",
        metadata={"field": "options.top_n", "value": str(top_n), "bounds": f"1 to {most}"},
        field_violations=[FieldViolation(field="options.top_n", description=description)],
    )


def _name(model: pb.ModelRef) -> str:
    return f"{model.id}@{model.revision}"
