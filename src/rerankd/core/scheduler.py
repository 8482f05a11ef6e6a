"""Runs a model: its lanes take micro-batches from the fair queue and hand the logits back."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from rerankd.backends.base import Backend, EncodedPair, Float32Array
from rerankd.core.admission import Admission
from rerankd.core.errors import BackendFailedError, RerankdError, going_down, unloading
from rerankd.core.fair_queue import FairQueue, RequestQueue
from rerankd.core.types import Priority

logger = logging.getLogger(__name__)

WEIGHTS = {Priority.INTERACTIVE: 8.0, Priority.BULK: 1.0}
"""Share of the model under contention: interactive first, bulk never starved."""


class PairSink(Protocol):
    """Who waits for the scores of a request; called on the event loop."""

    def on_scores(self, pairs: Sequence[QueuedPair], logits: Float32Array, seconds: float) -> None:
        """One micro-batch's logits of this request, and its share of the batch's time."""

    def on_failure(self, error: RerankdError) -> None:
        """A micro-batch with pairs of this request failed; none of its pairs will run."""


@dataclass(slots=True, eq=False)
class QueuedPair:
    """A pair and where its logit belongs."""

    pair: EncodedPair
    owner: object
    tokens: int = 0

    def __post_init__(self) -> None:
        self.tokens = self.pair.tokens


@dataclass(slots=True, eq=False)
class Ticket:
    """A request's place in the scheduler, from `open` to `close`."""

    sink: PairSink
    queue: RequestQueue[QueuedPair]
    reserved_tokens: int
    deadline: float | None
    opened_at: float
    first_run_at: float | None = None
    closed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStatus:
    """What waits at this moment."""

    documents: int
    tokens: int
    oldest_wait_seconds: float


@dataclass(slots=True)
class _Batch:
    pairs: list[QueuedPair]
    by_ticket: dict[int, tuple[Ticket, list[int]]] = field(default_factory=dict)
    tokens: int = 0


class Scheduler:
    """Micro-batches for one backend.

    `open`, `push`, `close` and `status` are called on the event loop; one thread for each lane of
    the backend does the scoring. A batch that fails fails its own requests; the lane lives on.
    """

    def __init__(self, backend: Backend, loop: asyncio.AbstractEventLoop, *, max_queued_tokens: int) -> None:
        self._backend = backend
        self._loop = loop
        self._admission = Admission(max_queued_tokens, room_in=self._drain_seconds)
        self._queue: FairQueue[QueuedPair] = FairQueue(backend.description.batch_tokens)
        self._tickets: dict[int, Ticket] = {}
        self._tokens_per_second = 0.0
        self._state = threading.Condition()
        self._idle = asyncio.Event()
        self._stopping = False
        self._lanes: list[threading.Thread] = []
        for lane in range(backend.description.lanes):
            self._start_lane(lane)

    def open(
        self,
        sink: PairSink,
        *,
        client: str,
        priority: Priority,
        deadline: float | None,
        estimated_tokens: int,
    ) -> Ticket:
        """Admits a request.

        `estimated_tokens` counts against the queue's bound until `close`; 0 for a stream, which is
        bounded by its window instead.

        Raises:
            OverloadedError: The queue is full. A request always enters an empty queue, however large.
            DrainingError: The scheduler is stopping.
        """
        if self._stopping:
            raise unloading()
        self._admission.enter(estimated_tokens)
        queue: RequestQueue[QueuedPair] = RequestQueue(flow_key=(client, priority), weight=WEIGHTS[priority])
        ticket = Ticket(sink, queue, estimated_tokens, deadline, time.monotonic())
        self._tickets[id(queue)] = ticket
        return ticket

    def push(self, ticket: Ticket, pairs: Sequence[QueuedPair]) -> None:
        """Queues pairs of an open request."""
        with self._state:
            if ticket.closed:
                return
            self._queue.push(ticket.queue, pairs)
            self._state.notify_all()

    def close(self, ticket: Ticket) -> None:
        """Ends a request; what it still has queued never runs."""
        with self._state:
            if ticket.closed:
                return
            ticket.closed = True
            self._queue.remove(ticket.queue)
        self._admission.leave(ticket.reserved_tokens)
        self._tickets.pop(id(ticket.queue), None)
        if not self._tickets:
            self._idle.set()

    @property
    def in_use(self) -> bool:
        """Whether a request is open."""
        return bool(self._tickets)

    async def drained(self) -> None:
        """Returns when no request is open."""
        while self._tickets:
            self._idle.clear()
            await self._idle.wait()

    def status(self) -> QueueStatus:
        """What waits now."""
        now = time.monotonic()
        with self._state:
            waiting = [t.opened_at for t in self._tickets.values() if len(t.queue)]
            return QueueStatus(
                documents=self._queue.items,
                tokens=self._queue.tokens,
                oldest_wait_seconds=now - min(waiting) if waiting else 0.0,
            )

    async def stop(self) -> None:
        """Fails what still waits with DRAINING and joins the lanes. The backend stays open."""
        with self._state:
            self._stopping = True
            self._state.notify_all()
        for ticket in list(self._tickets.values()):
            ticket.sink.on_failure(going_down())
            self.close(ticket)
        for lane in self._lanes:
            await asyncio.to_thread(lane.join)

    def _drain_seconds(self, excess: int) -> float:
        """When `excess` tokens should have been scored."""
        if not self._tokens_per_second:
            return 1.0
        return min(30.0, max(0.05, excess / self._tokens_per_second))

    def _start_lane(self, lane: int) -> None:
        name = f"infer-{lane}-{self._backend.description.id}"
        thread = threading.Thread(target=self._run_lane, args=(lane,), name=name, daemon=True)
        self._lanes[lane:] = [thread, *self._lanes[lane + 1 :]]
        thread.start()

    def _run_lane(self, lane: int) -> None:
        try:
            while (batch := self._next_batch()) is not None:
                self._run_batch(batch, lane)
        except BaseException:
            logger.exception(
                "lane died and is replaced", extra={"model": self._backend.description.id, "lane": lane}
            )
        finally:
            if not self._stopping:
                self._start_lane(lane)

    def _next_batch(self) -> _Batch | None:
        with self._state:
            while not self._stopping:
                taken = self._queue.pop()
                if taken:
                    return self._assemble(taken)
                self._state.wait()
        return None

    def _assemble(self, taken: Sequence[tuple[RequestQueue[QueuedPair], QueuedPair]]) -> _Batch:
        """Groups a batch by request and leaves out what has expired meanwhile."""
        now = time.monotonic()
        batch = _Batch([])
        for queue, pair in taken:
            ticket = self._tickets.get(id(queue))
            if ticket is None or (ticket.deadline is not None and ticket.deadline <= now):
                continue
            if ticket.first_run_at is None:
                ticket.first_run_at = now
            batch.by_ticket.setdefault(id(ticket), (ticket, []))[1].append(len(batch.pairs))
            batch.pairs.append(pair)
            batch.tokens += pair.tokens
        return batch

    def _run_batch(self, batch: _Batch, lane: int) -> None:
        if not batch.pairs:
            return
        started = time.monotonic()
        failure: RerankdError | None = BackendFailedError("scoring was interrupted; retry")
        logits: Float32Array | None = None
        try:
            scores = self._backend.score([queued.pair for queued in batch.pairs], lane)
            if len(scores) != len(batch.pairs):
                raise BackendFailedError(f"the model gave {len(scores)} scores for {len(batch.pairs)} pairs")
            logits, failure = scores, None
        except RerankdError as error:
            failure = error
            logger.exception("micro-batch failed", extra={"model": self._backend.description.id})
        except Exception as error:
            failure = BackendFailedError(f"the model's runtime failed ({type(error).__name__})")
            logger.exception("micro-batch failed", extra={"model": self._backend.description.id})
        finally:
            # Also when the thread itself is being killed: its requests must hear of it.
            seconds = time.monotonic() - started
            self._post(batch, logits, failure, seconds)

    def _post(
        self, batch: _Batch, logits: Float32Array | None, failure: RerankdError | None, seconds: float
    ) -> None:
        try:
            self._loop.call_soon_threadsafe(self._deliver, batch, logits, failure, seconds)
        except RuntimeError:
            # The loop is closed: the process is ending and nobody waits any more.
            logger.debug("scores came after the event loop closed")

    def _deliver(
        self, batch: _Batch, logits: Float32Array | None, failure: RerankdError | None, seconds: float
    ) -> None:
        if seconds > 0:
            rate = batch.tokens / seconds
            self._tokens_per_second = (
                rate if not self._tokens_per_second else (0.9 * self._tokens_per_second + 0.1 * rate)
            )
        for ticket, positions in batch.by_ticket.values():
            if ticket.closed:
                continue
            if logits is None:
                self.close(ticket)
                ticket.sink.on_failure(failure or BackendFailedError("scoring failed"))
                continue
            pairs = [batch.pairs[i] for i in positions]
            share = seconds * sum(p.tokens for p in pairs) / batch.tokens
            ticket.sink.on_scores(pairs, logits[positions], share)
