"""Ranking a stream of documents with memory that does not grow with its length."""

from __future__ import annotations

import asyncio
import logging
import time
from bisect import bisect_left
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence

from rerankd.core.collecting import collector
from rerankd.core.errors import DeadlineExceededError, InvalidRequestError, ModelNotFoundError, RerankdError
from rerankd.core.limits import check_original_scores
from rerankd.core.loaded import NoModel
from rerankd.core.look_ahead import look_ahead
from rerankd.core.policy import (
    NOT_RERANKED,
    check_streamable,
    check_supported,
    estimate_tokens,
    is_fault_of_model,
    load_before,
    soft_deadline,
    stand_ins,
    stood_in,
    why,
)
from rerankd.core.quota import StreamMeter
from rerankd.core.ranking import passthrough
from rerankd.core.registry import Registry
from rerankd.core.reranking import RerankingPolicy
from rerankd.core.rights import check_model, may_use
from rerankd.core.run import Run, unscored_result
from rerankd.core.runs import Runs
from rerankd.core.scoring import TOKENIZE_SLICE
from rerankd.core.stream_events import Chunk, Emit, ScoreBuffer, Snapshot, StreamEvent, StreamRequest
from rerankd.core.telemetry import Dropped
from rerankd.core.types import (
    Caller,
    DeadlineMode,
    ModelRef,
    Outcome,
    Priority,
    Ranking,
    Result,
    Usage,
)

logger = logging.getLogger(__name__)

_SCORES_SECONDS = 0.005
_FULL_SCORES = 64
"""Scores are sent at most so often, or when there are so many. A fast model finishes a few documents a time;
one message for each would cost more than they do, and callers would send as few documents in return."""


class StreamSession:
    """One stream: a reader task that feeds the model, and the events that come of it.

    The reader stops while as many documents are read and not answered as the pace of the model asks for, at
    most `stream_window_documents`, so that the transport's flow control holds the sender back. Another model
    can stand in as long as none has begun: scores of two models are never mixed, and texts are not kept to
    score them again.
    """

    def __init__(
        self,
        registry: Registry,
        runs: Runs,
        policy: RerankingPolicy,
        request: StreamRequest,
        caller: Caller,
    ) -> None:
        self._registry = registry
        self._runs = runs
        self._policy = policy
        self._limits = runs.limits
        self._request = request
        self._options = policy.complete(request.options)
        self._caller = caller
        self._received = 0
        self._fed = 0
        self._operators_bound = 0
        self._max_tokens = 0
        self._chunk = Chunk(indexes=(), documents=())
        """The chunk being fed; what of it is not yet fed belongs to the answer all the same."""
        self._top = collector(self._options, self._limits.max_stream_results)
        self._top_changed = False
        self._pending: ScoreBuffer | None = None
        self._first: list[Result] = []
        self._run: Run | None = None
        self._model = ModelRef(id="", revision="", backend="")
        self._meter = StreamMeter(caller.quota)
        self._given_up = ""
        """Why the answer is the original order, once it is to be that."""
        self._stand_in = ""

    async def events(self, chunks: AsyncIterator[Chunk]) -> AsyncGenerator[StreamEvent | Ranking, None]:
        """Runs the stream; the last event is the ranking."""
        deadline = self._caller.deadline
        partial = self._options.on_deadline is DeadlineMode.PARTIAL
        until = soft_deadline(deadline) if deadline is not None and partial else deadline
        run = await self._begin()
        if run is None:
            async for event in self._pass_through(chunks):
                yield event
            return
        reader = asyncio.create_task(self._read(run, chunks), name="stream-reader")
        reader.add_done_callback(lambda _: run.changed.set())
        outcome, reason = Outcome.RERANKED, ""
        try:
            async for event in self._progress(run, reader, until):
                yield event
        except DeadlineExceededError:
            if not partial:
                raise
            outcome, reason = Outcome.PARTIAL, "the deadline came first"
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
            late = until is not None and time.monotonic() >= until
            run.close(Dropped.DEADLINE if late else Dropped.CANCELLED)
            self._meter.close()
        yield self._ranking(run, outcome, reason)

    async def _begin(self) -> Run | None:
        """A run on the wanted model or on one that stands in; None if the order stays as it is.

        Raises:
            RerankdError: Why the wanted model cannot rank this stream.
        """
        wanted = self._options.model
        try:
            return await self._open(wanted)
        except RerankdError as error:
            if not is_fault_of_model(error):
                raise
            failure = error
        names = stand_ins(self._registry, self._policy, self._options)
        for name in may_use(self._caller, self._registry, names):
            try:
                run = await self._open(name)
            except RerankdError as error:
                logger.warning("stand-in failed too", extra={"model": name, "reason": error.spec.reason})
                continue
            if run is None:
                # Of the failure and of the model none, the caller has to hear of the failure.
                self._given_up = why(failure)
            else:
                self._stand_in = stood_in(self._model.id, self._registry.canonical(wanted), failure)
            return run
        if not self._policy.forgives(self._options, failure):
            raise failure
        self._model = ModelRef(id=self._registry.canonical(wanted), revision="", backend="")
        self._give_up(why(failure))
        return None

    async def _open(self, name: str) -> Run | None:
        """A run on a model; None if that model ranks nothing."""
        check_model(self._caller, self._registry, name)
        self._meter.check_start()
        load_by = self._caller.deadline or time.monotonic() + self._limits.max_request_seconds
        model = await load_before(self._registry, name, load_by)
        self._model = model.ref
        if isinstance(model, NoModel):
            self._give_up(NOT_RERANKED)
            return None
        check_supported(self._options, model)
        check_streamable(model)
        self._max_tokens = model.description.max_tokens
        self._operators_bound = self._policy.bound(self._request.options, is_cloud=model.description.is_cloud)
        if self._request.emit is Emit.SCORES:
            self._pending = ScoreBuffer(model.ref)
        self._run = run = self._runs.new(
            model, self._request.query, self._options, self._policy, self._take, whole=False
        )
        run.open(
            client=self._caller.client,
            priority=self._options.priority or Priority.BULK,
            deadline=self._caller.deadline,
            estimated_tokens=0,
        )
        return run

    async def _pass_through(
        self, chunks: AsyncIterator[Chunk]
    ) -> AsyncGenerator[StreamEvent | Ranking, None]:
        """Reads a stream that nothing scores, and answers in its order."""
        pending = ScoreBuffer(self._model) if self._request.emit is Emit.SCORES else None
        async for chunk in chunks:
            check_original_scores(chunk.documents, self._options, chunk.indexes)
            self._remember(chunk)
            self._received += len(chunk)
            if pending is not None and len(chunk):
                for index in chunk.indexes:
                    pending.add_unscored(index)
                yield pending.take()
        self._check_not_empty()
        yield Ranking(
            results=passthrough(self._first, self._options),
            model=self._model,
            usage=Usage(documents=self._received),
            outcome=Outcome.PASSTHROUGH,
            outcome_reason=self._given_up,
        )

    async def _read(self, run: Run, chunks: AsyncIterator[Chunk]) -> None:
        await self._runs.memory.room()
        async for chunk in chunks:
            check_original_scores(chunk.documents, self._options, chunk.indexes)
            self._chunk = chunk
            self._received += len(chunk)
            for start in range(0, len(chunk), TOKENIZE_SLICE):
                await self._feed(run, chunk.part(start, start + TOKENIZE_SLICE))
            await self._runs.memory.room()
        self._check_not_empty()

    def _check_not_empty(self) -> None:
        if not self._received:
            raise InvalidRequestError("the stream brought no documents; send at least one", field="documents")

    def _remember(self, chunk: Chunk) -> None:
        """Only a stream that may have to answer in the original order remembers its beginning."""
        if self._given_up or self._policy.may_forgive(self._options):
            room = (self._options.top_n or self._limits.max_stream_results) - len(self._first)
            self._first += self._unscored(chunk.part(0, room))

    async def _feed(self, run: Run, chunk: Chunk) -> None:
        self._remember(chunk)
        scored = self._to_score(chunk)
        await self._room(run, scored)
        if scored and run.failure is None:
            # Before the documents count as fed: a deadline that passes here still finds them.
            await self._meter.enter(self._sizes(chunk.part(0, scored)))
        self._fed += len(chunk)
        if run.failure is not None:
            self._leave_unscored(self._unscored(chunk))
            return
        self._leave_unscored(self._unscored(chunk.part(scored)))
        if scored:
            await run.add(chunk.indexes[:scored], chunk.documents[:scored])
        run.usage.documents = self._received

    def _sizes(self, chunk: Chunk) -> dict[int, int]:
        """Index of each document to its tokens, about; empty where nobody counts them."""
        if self._caller.quota is None:
            return {}
        query, options = self._request.query, self._options
        return {
            index: estimate_tokens(query, [document], options, self._max_tokens)
            for index, document in zip(chunk.indexes, chunk.documents, strict=True)
        }

    def _to_score(self, chunk: Chunk) -> int:
        """How many documents of a chunk, from its beginning, are to be scored.

        The caller's own bound counts documents of this stream. The operator's goes by their indexes, so that
        a stream that goes on after an interruption does not begin to count anew.
        """
        count, own = len(chunk), self._request.options.max_scored_documents
        if own:
            count = max(0, min(count, own - self._fed))
        if self._operators_bound:
            count = min(count, bisect_left(chunk.indexes, self._operators_bound))
        return count

    async def _room(self, run: Run, count: int) -> None:
        """Waits until `count` more documents may be read ahead; unsent scores take room as well."""
        while run.failure is None:
            window = look_ahead(run.documents_per_second, self._limits.stream_window_documents)
            waiting = run.in_flight + len(self._pending or ())
            if not waiting or waiting + count <= window:
                return
            run.changed.clear()
            await run.changed.wait()

    async def _progress(
        self, run: Run, reader: asyncio.Task[None], until: float | None
    ) -> AsyncIterator[StreamEvent]:
        next_snapshot = next_scores = 0.0
        while True:
            self._check_failures(run, reader)
            finished = reader.done() and (run.failure is not None or not run.in_flight)
            now = time.monotonic()
            due = min(next_scores, until) if until is not None else next_scores
            if self._pending and (finished or now >= due or len(self._pending) >= _FULL_SCORES):
                next_scores = now + _SCORES_SECONDS
                yield self._pending.take()
                run.changed.set()
                continue
            if until is not None and now >= until and not finished:
                raise DeadlineExceededError("the deadline passed before the stream was ranked")
            if self._request.wants_snapshots and self._top_changed and (finished or now >= next_snapshot):
                next_snapshot = now + self._request.snapshot_interval_seconds
                yield self._snapshot(run)
                continue
            if finished:
                return
            wake_at = [until] if until is not None else []
            if self._pending:
                wake_at.append(next_scores)
            if self._request.wants_snapshots and self._top_changed:
                wake_at.append(next_snapshot)
            await _wait(run.changed, min(wake_at, default=None))

    def _check_failures(self, run: Run, reader: asyncio.Task[None]) -> None:
        if run.failure is not None and not self._given_up:
            forgiven = self._policy.forgives(self._options, run.failure)
            if isinstance(run.failure, ModelNotFoundError):
                self._registry.forget(self._model.id)
            if not (forgiven and is_fault_of_model(run.failure)):
                raise run.failure
            self._give_up(why(run.failure))
            self._leave_unscored(run.unscored())
        if reader.done() and not reader.cancelled() and (error := reader.exception()) is not None:
            raise error

    def _give_up(self, reason: str) -> None:
        logger.info("stream answers in the original order", extra={"reason": reason.partition(":")[0]})
        self._given_up = reason

    def _leave_unscored(self, results: Iterator[Result]) -> None:
        """Takes documents that will have no score."""
        for result in results:
            self._top.add(result)
            if self._pending is not None:
                self._pending.add_unscored(result.index)
        if self._run is not None:
            self._run.changed.set()

    def _take(self, result: Result) -> None:
        self._meter.leave(result.index)
        self._top_changed |= self._top.add(result)
        if self._pending is not None:
            self._pending.add(result)

    def _snapshot(self, run: Run) -> Snapshot:
        self._top_changed = False
        return Snapshot(
            results=self._top.ranking(),
            received=self._received,
            scored=run.usage.scored_documents,
        )

    def _unscored(self, chunk: Chunk) -> Iterator[Result]:
        for index, document in zip(chunk.indexes, chunk.documents, strict=True):
            yield unscored_result(index, document, self._options)

    def _not_fed(self) -> Iterator[Result]:
        rest = self._received - self._fed
        return self._unscored(self._chunk.part(len(self._chunk) - rest))

    def _ranking(self, run: Run, outcome: Outcome, reason: str) -> Ranking:
        run.usage.documents = self._received
        reasons = [self._stand_in, reason]
        if self._given_up:
            reasons = [self._given_up]
            results: Sequence[Result] = passthrough(self._first, self._options)
            outcome = Outcome.PASSTHROUGH
        else:
            for result in (*run.unscored(), *self._not_fed()):
                self._top.add(result)
            results = self._top.ranking()
            if not self._options.top_n and self._top.overflowed:
                reasons.append(
                    f"only the best {len(results)} of {self._received} documents are kept; set top_n"
                )
        return Ranking(
            results=results,
            model=self._model,
            usage=run.usage,
            timing=run.timing,
            outcome=outcome,
            outcome_reason="; ".join(filter(None, reasons)),
        )


async def _wait(event: asyncio.Event, until: float | None) -> None:
    """Waits for the event, but not beyond an instant of the monotonic clock."""
    event.clear()
    try:
        async with asyncio.timeout(None if until is None else max(0.0, until - time.monotonic())):
            await event.wait()
    except TimeoutError:
        return
