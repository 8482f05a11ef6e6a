"""Ranking a stream of documents with memory that does not grow with its length."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from concurrent.futures import Executor

from rerankd.core.collecting import collector
from rerankd.core.errors import DeadlineExceededError, InvalidRequestError, RerankdError
from rerankd.core.limits import Limits, check_original_scores
from rerankd.core.policy import check_instruction, forgives, load_before, soft_deadline, why
from rerankd.core.ranking import passthrough
from rerankd.core.registry import LoadedModel, Registry
from rerankd.core.score_cache import ScoreCache
from rerankd.core.scoring import TOKENIZE_SLICE, ScoringRun, unscored_result
from rerankd.core.stream_events import Chunk, Emit, ScoreBuffer, Snapshot, StreamEvent, StreamRequest
from rerankd.core.types import (
    Caller,
    DeadlineMode,
    FailureMode,
    ModelRef,
    Outcome,
    Priority,
    Ranking,
    Result,
    Usage,
)

logger = logging.getLogger(__name__)


class StreamSession:
    """One stream: a reader task that feeds the scheduler, and the events that come of it.

    The reader stops while `stream_window_documents` are read and not answered, so that the
    transport's flow control holds the sender back.
    """

    def __init__(
        self,
        registry: Registry,
        limits: Limits,
        tokenizers: Executor,
        request: StreamRequest,
        caller: Caller,
        cache: ScoreCache | None = None,
    ) -> None:
        self._registry = registry
        self._limits = limits
        self._tokenizers = tokenizers
        self._request = request
        self._options = request.options
        self._caller = caller
        self._cache = cache
        self._received = 0
        self._fed = 0
        self._chunk = Chunk(indexes=(), documents=())
        """The chunk being fed; what of it is not yet fed belongs to the answer all the same."""
        self._top = collector(request.options, limits.max_stream_results)
        self._top_changed = False
        self._pending: ScoreBuffer | None = None
        self._first: list[Result] = []
        self._run: ScoringRun | None = None
        self._given_up: RerankdError | None = None

    async def events(self, chunks: AsyncIterator[Chunk]) -> AsyncGenerator[StreamEvent | Ranking, None]:
        """Runs the stream; the last event is the ranking."""
        deadline = self._caller.deadline
        partial = self._options.on_deadline is DeadlineMode.PARTIAL
        until = soft_deadline(deadline) if deadline is not None and partial else deadline
        try:
            load_by = deadline or time.monotonic() + self._limits.max_request_seconds
            model = await load_before(self._registry, self._options.model, load_by)
            self._run = run = self._open(model)
        except RerankdError as error:
            if not forgives(self._options, error):
                raise
            yield await self._pass_through(chunks, error)
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
            run.close()
        yield self._ranking(model, outcome, reason)

    async def _pass_through(self, chunks: AsyncIterator[Chunk], error: RerankdError) -> Ranking:
        """Reads a stream that nothing can score, and answers in its order."""
        self._give_up(error)
        async for chunk in chunks:
            check_original_scores(chunk.documents, self._options, chunk.indexes)
            self._remember(chunk)
            self._received += len(chunk)
        self._check_not_empty()
        return Ranking(
            results=passthrough(self._first, self._options),
            model=ModelRef(id=self._registry.canonical(self._options.model), revision="", backend=""),
            usage=Usage(documents=self._received),
            outcome=Outcome.PASSTHROUGH,
            outcome_reason=why(error),
        )

    def _open(self, model: LoadedModel) -> ScoringRun:
        check_instruction(self._options, model)
        if self._request.emit is Emit.SCORES:
            self._pending = ScoreBuffer(model.ref)
        run = ScoringRun(
            model,
            self._request.query,
            self._options,
            limits=self._limits,
            tokenizers=self._tokenizers,
            on_result=self._take,
            cache=self._cache,
        )
        run.open(
            client=self._caller.client,
            priority=self._options.priority or Priority.BULK,
            deadline=self._caller.deadline,
            estimated_tokens=0,
        )
        return run

    async def _read(self, run: ScoringRun, chunks: AsyncIterator[Chunk]) -> None:
        async for chunk in chunks:
            check_original_scores(chunk.documents, self._options, chunk.indexes)
            self._chunk = chunk
            self._received += len(chunk)
            for start in range(0, len(chunk), TOKENIZE_SLICE):
                await self._feed(run, chunk.part(start, start + TOKENIZE_SLICE))
        self._check_not_empty()

    def _check_not_empty(self) -> None:
        if not self._received:
            raise InvalidRequestError("the stream brought no documents; send at least one", field="documents")

    def _remember(self, chunk: Chunk) -> None:
        """Only a stream that may have to answer in the original order remembers its beginning."""
        if self._options.on_failure is FailureMode.ORIGINAL_ORDER:
            room = (self._options.top_n or self._limits.max_stream_results) - len(self._first)
            self._first += self._unscored(chunk.part(0, room))

    async def _feed(self, run: ScoringRun, chunk: Chunk) -> None:
        self._remember(chunk)
        limit = self._options.max_scored_documents
        scored = max(0, min(len(chunk), limit - self._fed)) if limit else len(chunk)
        await self._room(run, scored)
        self._fed += len(chunk)
        for result in self._unscored(chunk.part(scored)):
            self._top.add(result)
        if scored and run.failure is None:
            await run.add(chunk.indexes[:scored], chunk.documents[:scored])
        run.usage.documents = self._received

    async def _room(self, run: ScoringRun, count: int) -> None:
        """Waits until `count` more documents fit the window; unsent scores take room as well."""
        window = self._limits.stream_window_documents
        while run.failure is None:
            waiting = run.in_flight + len(self._pending or ())
            if not waiting or waiting + count <= window:
                return
            run.changed.clear()
            await run.changed.wait()

    async def _progress(
        self, run: ScoringRun, reader: asyncio.Task[None], until: float | None
    ) -> AsyncIterator[StreamEvent]:
        next_snapshot = 0.0
        while True:
            self._check_failures(run, reader)
            finished = reader.done() and (run.failure is not None or not run.in_flight)
            if self._pending:
                yield self._pending.take()
                run.changed.set()
                continue
            now = time.monotonic()
            if until is not None and now >= until and not finished:
                raise DeadlineExceededError("the deadline passed before the stream was ranked")
            if self._request.wants_snapshots and self._top_changed and (finished or now >= next_snapshot):
                next_snapshot = now + self._request.snapshot_interval_seconds
                yield self._snapshot(run)
                continue
            if finished:
                return
            wake_at = [until] if until is not None else []
            if self._request.wants_snapshots and self._top_changed:
                wake_at.append(next_snapshot)
            await _wait(run.changed, min(wake_at, default=None))

    def _check_failures(self, run: ScoringRun, reader: asyncio.Task[None]) -> None:
        if run.failure is not None and self._given_up is None:
            if not forgives(self._options, run.failure):
                raise run.failure
            self._give_up(run.failure)
        if reader.done() and not reader.cancelled() and (error := reader.exception()) is not None:
            raise error

    def _give_up(self, error: RerankdError) -> None:
        logger.warning("stream answers in the original order", extra={"reason": error.spec.reason})
        self._given_up = error

    def _take(self, result: Result) -> None:
        self._top_changed |= self._top.add(result)
        if self._pending is not None:
            self._pending.add(result)

    def _snapshot(self, run: ScoringRun) -> Snapshot:
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

    def _ranking(self, model: LoadedModel, outcome: Outcome, reason: str) -> Ranking:
        assert self._run is not None  # noqa: S101 - set before any event
        run = self._run
        run.usage.documents = self._received
        if self._given_up is not None:
            reason = why(self._given_up)
            results: Sequence[Result] = passthrough(self._first, self._options)
            outcome = Outcome.PASSTHROUGH
        else:
            for result in (*run.unscored(), *self._not_fed()):
                self._top.add(result)
            results = self._top.ranking()
            if not self._options.top_n and self._top.overflowed:
                cut = f"only the best {len(results)} of {self._received} documents are kept; set top_n"
                reason = f"{reason}; {cut}" if reason else cut
        return Ranking(
            results=results,
            model=model.ref,
            usage=run.usage,
            timing=run.timing,
            outcome=outcome,
            outcome_reason=reason,
        )


async def _wait(event: asyncio.Event, until: float | None) -> None:
    """Waits for the event, but not beyond an instant of the monotonic clock."""
    event.clear()
    try:
        async with asyncio.timeout(None if until is None else max(0.0, until - time.monotonic())):
            await event.wait()
    except TimeoutError:
        return
