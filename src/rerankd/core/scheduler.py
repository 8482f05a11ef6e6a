"""Runs a model: its lanes take micro-batches from the fair queue and hand the logits back."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from rerankd.backends.base import Backend, Float32Array, padded_tokens
from rerankd.core.admission import Admission
from rerankd.core.errors import BackendFailedError, RerankdError, going_down, unloading
from rerankd.core.fair_queue import FIRST_GENERATION, GENERATION, FairQueue, RequestQueue
from rerankd.core.forecast import Server, Work, check_time
from rerankd.core.micro_batch import MicroBatch, PairSink, QueuedPair, Ticket
from rerankd.core.native_threads import NativeThread
from rerankd.core.pace import Pace
from rerankd.core.telemetry import BatchRun, Telemetry
from rerankd.core.types import Priority

logger = logging.getLogger(__name__)

WEIGHTS = {Priority.INTERACTIVE: 8.0, Priority.BULK: 1.0}
"""Share of the model under contention: interactive first, bulk never starved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStatus:
    """What waits at this moment."""

    documents: int
    tokens: int
    oldest_wait_seconds: float


class Scheduler:
    """Micro-batches for one backend.

    `open`, `push`, `close` and `status` are called on the event loop; one thread for each lane of
    the backend does the scoring. A batch that fails fails its own requests; the lane lives on.
    """

    def __init__(
        self,
        backend: Backend,
        loop: asyncio.AbstractEventLoop,
        *,
        max_queued_tokens: int,
        telemetry: Telemetry | None = None,
    ) -> None:
        """`telemetry`: who is told of what runs; None = nobody."""
        self.pace = Pace(backend.description.lanes)
        self._telemetry = telemetry or Telemetry()
        self._backend = backend
        self._loop = loop
        self._admission = Admission(max_queued_tokens, room_in=self._drain_seconds)
        self._queue: FairQueue[QueuedPair] = FairQueue(backend.description.batch_tokens)
        self._tickets: dict[int, Ticket] = {}
        self._running: dict[int, MicroBatch] = {}
        """What each lane is scoring."""
        self._state = threading.Condition()
        self._idle = asyncio.Event()
        self._lanes_take_turns = backend.description.lanes_take_turns
        self._free_lanes = 0
        """Lanes without a micro-batch, those that are about to take one among them."""
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
        done_by: float | None = None,
        whole: bool = False,
    ) -> Ticket:
        """Admits a request.

        `estimated_tokens` counts against the queue's bound until `close`; 0 for a stream, which is
        bounded by its window instead. `done_by`: instant at which its last pair has to be scored; None =
        it is of use whenever it comes, and whatever of it comes. `whole`: nobody sees a score before the last
        one is there, so more pairs are sorted together at first.

        Raises:
            OverloadedError: The queue is full, or what is in it leaves the request, or one that was
                admitted before, no time. A request always enters an empty queue, however large.
            DrainingError: The scheduler is stopping.
        """
        if self._stopping:
            raise unloading()
        queue: RequestQueue[QueuedPair] = RequestQueue(
            flow_key=(client, priority),
            weight=WEIGHTS[priority],
            generation_size=GENERATION if whole else FIRST_GENERATION,
        )
        ticket = Ticket(sink, queue, estimated_tokens, deadline, time.monotonic(), priority, done_by)
        ticket.to_come = self.pace.expected(estimated_tokens)
        if done_by is not None:
            self._check_time(ticket)
        self._admission.enter(estimated_tokens)
        ticket.trace = self._telemetry.traces.current()
        self._tickets[id(queue)] = ticket
        return ticket

    def push(self, ticket: Ticket, pairs: Sequence[QueuedPair]) -> None:
        """Queues pairs of an open request."""
        with self._state:
            if ticket.closed:
                return
            self._queue.push(ticket.queue, pairs)
            self._state.notify_all()
        tokens = sum(pair.tokens for pair in pairs)
        ticket.unscored += tokens
        ticket.to_come = max(0, ticket.to_come - tokens)

    def pushed_all(self, ticket: Ticket) -> None:
        """Says that nothing more will be pushed: what was estimated beyond it does not come."""
        ticket.to_come = 0

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

    def _check_time(self, wanted: Ticket) -> None:
        """Raises OverloadedError if the queue leaves the request, or one that is in it, too little time."""
        rate, now = self.pace.tokens_per_second, wanted.opened_at
        waiting = [ticket for ticket in self._tickets.values() if ticket.to_come or ticket.unscored]
        if not waiting or not rate:
            return
        with self._state:
            works = [self._work(ticket) for ticket in waiting]
            new = self._work(wanted)
            # What a lane has in hand is partly done.
            in_hand = sum(max(0.0, batch.due - now) for batch in self._running.values())
        lanes, batch_tokens = self._backend.description.lanes, self._backend.description.batch_tokens
        server = Server(tokens_per_second=rate, batch_tokens=batch_tokens, free_at=now + in_hand / lanes)
        check_time(works, new, server)

    def _work(self, ticket: Ticket) -> Work:
        flow_level, level = self._queue.levels(ticket.queue)
        return Work(
            flow=ticket.queue.flow_key,
            weight=ticket.queue.weight,
            tokens=ticket.to_come + ticket.queue.tokens,
            done_by=ticket.done_by,
            flow_level=flow_level,
            level=level,
        )

    def _drain_seconds(self, excess: int) -> float:
        """When `excess` tokens should have been scored."""
        rate = self.pace.tokens_per_second
        return min(30.0, max(0.05, excess / rate)) if rate else 1.0

    def _start_lane(self, lane: int) -> None:
        name = f"infer-{lane}-{self._backend.description.id}"
        thread = NativeThread(target=self._run_lane, args=(lane,), name=name)
        self._lanes[lane:] = [thread, *self._lanes[lane + 1 :]]
        thread.start()

    def _run_lane(self, lane: int) -> None:
        ended = 0.0
        try:
            while (batch := self._next_batch()) is not None:
                # Between two micro-batches that follow each other time is lost as well: it is the second's.
                batch.started = time.monotonic()
                since = batch.started if batch.idle_before or not ended else ended
                batch.lane = lane
                batch.due = batch.started + self._seconds_of(batch)
                with self._state:
                    self._running[lane] = batch
                self._run_batch(batch, since)
                ended = batch.ended
        except BaseException:
            logger.exception(
                "lane died and is replaced", extra={"model": self._backend.description.id, "lane": lane}
            )
        finally:
            if not self._stopping:
                self._start_lane(lane)

    def _next_batch(self) -> MicroBatch | None:
        waited = False
        with self._state:
            self._free_lanes += 1
            try:
                while not self._stopping:
                    taken = self._queue.pop(1 if self._lanes_take_turns else self._free_lanes)
                    if taken:
                        batch = self._assemble(taken)
                        batch.idle_before, batch.more_waits = waited, len(self._queue) > 0
                        return batch
                    self._state.wait()
                    waited = True
            finally:
                self._free_lanes -= 1
        return None

    def _assemble(self, taken: Sequence[tuple[RequestQueue[QueuedPair], QueuedPair]]) -> MicroBatch:
        """Groups a batch by request and leaves out what has expired meanwhile."""
        now = time.monotonic()
        batch = MicroBatch([])
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

    def _seconds_of(self, batch: MicroBatch) -> float:
        """How long one lane should need for it."""
        rate = self.pace.tokens_per_second
        return batch.tokens * self._backend.description.lanes / rate if rate else 0.0

    def _take_off(self, batch: MicroBatch) -> None:
        with self._state:
            self._running.pop(batch.lane, None)

    def _run_batch(self, batch: MicroBatch, since: float) -> None:
        if not batch.pairs:
            batch.ended = batch.started
            self._take_off(batch)
            return
        failure: RerankdError | None = BackendFailedError("scoring was interrupted; retry")
        logits: Float32Array | None = None
        try:
            scores = self._backend.score([queued.pair for queued in batch.pairs], batch.lane)
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
            batch.ended = time.monotonic()
            self._take_off(batch)
            self._post(batch, logits, failure, batch.ended - since)

    def _post(
        self,
        batch: MicroBatch,
        logits: Float32Array | None,
        failure: RerankdError | None,
        busy_seconds: float,
    ) -> None:
        try:
            self._loop.call_soon_threadsafe(self._deliver, batch, logits, failure, busy_seconds)
        except RuntimeError:
            # The loop is closed: the process is ending and nobody waits any more.
            logger.debug("scores came after the event loop closed")

    def _deliver(
        self,
        batch: MicroBatch,
        logits: Float32Array | None,
        failure: RerankdError | None,
        busy_seconds: float,
    ) -> None:
        # A micro-batch that found little to do says nothing of what the model can do.
        half_full = 2 * batch.tokens >= self._backend.description.batch_tokens
        if logits is not None and (batch.more_waits or half_full):
            self.pace.ran(batch.tokens, busy_seconds)
        self._tell(batch, failed=logits is None)
        for ticket, positions in batch.by_ticket.values():
            if ticket.closed:
                continue
            if logits is None:
                self.close(ticket)
                ticket.sink.on_failure(failure or BackendFailedError("scoring failed"))
                continue
            pairs = [batch.pairs[i] for i in positions]
            tokens = sum(p.tokens for p in pairs)
            ticket.unscored -= tokens
            share = (batch.ended - batch.started) * tokens / batch.tokens
            ticket.sink.on_scores(pairs, logits[positions], share)

    def _tell(self, batch: MicroBatch, *, failed: bool) -> None:
        """Tells of a micro-batch whoever counts and whoever traces."""
        description = self._backend.description
        run = BatchRun(
            model=description.id,
            backend=description.backend,
            documents=len(batch.pairs),
            tokens=batch.tokens,
            padded_tokens=padded_tokens(self._backend, [queued.pair for queued in batch.pairs]),
            started=batch.started,
            ended=batch.ended,
            lane=batch.lane,
            failed=failed,
        )
        self._telemetry.work.on_batch(run)
        for ticket, _ in batch.by_ticket.values():
            self._tell_wait(ticket)
        traced = [(t.trace, len(positions)) for t, positions in batch.by_ticket.values() if t.trace]
        link = self._telemetry.traces.batch(run, [trace for trace, _ in traced]) if traced else None
        for trace, documents in traced:
            trace.inference(run, link, documents)

    def _tell_wait(self, ticket: Ticket) -> None:
        if ticket.wait_told or ticket.first_run_at is None:
            return
        ticket.wait_told = True
        self._telemetry.work.on_wait(ticket.priority, ticket.first_run_at - ticket.opened_at)
        if ticket.trace is not None:
            ticket.trace.stage("queue", ticket.opened_at, ticket.first_run_at, 0)
