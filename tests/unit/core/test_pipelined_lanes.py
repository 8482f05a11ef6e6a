"""Two lanes that share one device: while it computes, the next micro-batch is put together, and no more.

The device is a fake that computes when the test lets it, one batch at a time, first come first served;
everything above it is real.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rerankd.backends.base import BackendDescription, Float32Array
from rerankd.core.errors import RerankdError
from rerankd.core.scheduler import QueuedPair, Scheduler, Ticket
from rerankd.core.types import Priority

BUDGET = 8
LANES = 2
PATIENCE_SECONDS = 20.0
"""Only a failure waits for so long."""


@dataclass(frozen=True, slots=True)
class Pair:
    value: float
    tokens: int = 2
    dropped_tokens: int = 0
    start_char: int = 0
    end_char: int = 0


class Device:
    """The part of `Backend` that a scheduler needs."""

    description = BackendDescription(
        id="test/device",
        revision="1",
        backend="fake",
        batch_tokens=BUDGET,
        lanes=LANES,
        lanes_take_turns=True,
    )

    def __init__(self) -> None:
        self.taken: list[list[Pair]] = []
        """Batches that a lane has put together, in order."""
        self.ran: list[list[Pair]] = []
        self.one_taken = threading.Semaphore(0)
        self.one_ran = threading.Semaphore(0)
        self.gate = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1)

    def score(self, pairs: Sequence[Pair], lane: int) -> Float32Array:
        with self._lock:
            self.taken.append(list(pairs))
            result = self._thread.submit(self._compute, pairs)
        self.one_taken.release()
        return result.result()

    def _compute(self, pairs: Sequence[Pair]) -> Float32Array:
        assert self.gate.acquire(timeout=PATIENCE_SECONDS)
        self.ran.append(list(pairs))
        self.one_ran.release()
        return np.array([pair.value for pair in pairs], dtype=np.float32)

    def close(self) -> None:
        self._thread.shutdown()


@dataclass
class Sink:
    """Who waits for a request's scores."""

    got: list[tuple[float, float]] = field(default_factory=list)
    failure: RerankdError | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def on_scores(self, pairs: Sequence[QueuedPair], logits: Float32Array, seconds: float) -> None:
        self.got += [(pair.pair.value, value) for pair, value in zip(pairs, logits.tolist(), strict=True)]
        self.changed.set()

    def on_failure(self, error: RerankdError) -> None:
        self.failure = error
        self.changed.set()


@dataclass
class Request:
    values: list[float]
    sink: Sink
    ticket: Ticket
    taken_when_closed: int | None = None


class World:
    """A scheduler on a fake device, driven step by step."""

    def __init__(self) -> None:
        self.device = Device()
        self.scheduler = Scheduler(self.device, asyncio.get_running_loop(), max_queued_tokens=1_000_000)
        self.requests: list[Request] = []
        self._fresh = 0
        self._steps = 0

    @property
    def in_hand(self) -> int:
        """Batches that are put together and not computed."""
        return len(self.device.taken) - self._steps

    async def open(self, pairs: int, priority: Priority = Priority.BULK, client: str = "a") -> Request:
        sink = Sink()
        ticket = self.scheduler.open(
            sink, client=client, priority=priority, deadline=None, estimated_tokens=0
        )
        values = [float(number) for number in range(self._fresh, self._fresh + pairs)]
        self._fresh += pairs
        request = Request(values, sink, ticket)
        self.requests.append(request)
        self.scheduler.push(ticket, [QueuedPair(Pair(value), request) for value in values])
        await self.settle()
        return request

    async def close(self, request: Request) -> None:
        self.scheduler.close(request.ticket)
        request.taken_when_closed = len(self.device.taken)
        await self.settle()

    async def settle(self) -> None:
        """Waits until each lane has a batch in hand, or nothing waits."""
        while self.in_hand < LANES and self._waiting():
            assert await asyncio.to_thread(self.device.one_taken.acquire, timeout=PATIENCE_SECONDS)
        assert self.in_hand <= LANES

    async def step(self) -> None:
        """Lets the device compute one batch."""
        if self.in_hand:
            self.device.gate.release()
            assert await asyncio.to_thread(self.device.one_ran.acquire, timeout=PATIENCE_SECONDS)
            self._steps += 1
            await self.settle()

    async def end(self) -> None:
        while self.in_hand:
            await self.step()
        for request in self.requests:
            while request.taken_when_closed is None and len(request.sink.got) < len(request.values):
                request.sink.changed.clear()
                await asyncio.wait_for(request.sink.changed.wait(), PATIENCE_SECONDS)
            self.scheduler.close(request.ticket)
        await self.scheduler.stop()
        self.device.close()

    def _waiting(self) -> int:
        taken = {pair.value for batch in self.device.taken for pair in batch}
        open_ = [request for request in self.requests if request.taken_when_closed is None]
        return sum(value not in taken for request in open_ for value in request.values)


steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("open"), st.integers(1, 15), st.sampled_from(list(Priority)), st.sampled_from("ab")
        ),
        st.tuples(st.just("close"), st.integers(0, 20)),
        st.just(("step",)),
    ),
    max_size=25,
)


@settings(deadline=None, max_examples=60)
@given(steps)
def test_nothing_is_lost_doubled_reordered_or_run_for_who_is_gone(script: list[tuple]) -> None:
    async def run() -> None:
        world = World()
        for action, *arguments in script:
            if action == "open":
                await world.open(*arguments)
            elif action == "step":
                await world.step()
            elif open_ := [each for each in world.requests if each.taken_when_closed is None]:
                await world.close(open_[arguments[0] % len(open_)])
        await world.end()
        # First come, first served: the device runs what the lanes took, in the order in which they took it.
        assert world.device.ran == world.device.taken
        runs = [pair.value for batch in world.device.ran for pair in batch]
        assert len(runs) == len(set(runs))
        assert all(sum(pair.tokens for pair in batch) <= BUDGET for batch in world.device.ran)
        for request in world.requests:
            assert request.sink.failure is None
            assert all(value == logit for value, logit in request.sink.got)
            if request.taken_when_closed is None:
                assert sorted(value for value, _ in request.sink.got) == request.values
            else:
                later = world.device.taken[request.taken_when_closed :]
                assert not {pair.value for batch in later for pair in batch}.intersection(request.values)

    asyncio.run(run())


async def test_the_next_batch_is_put_together_while_the_device_computes() -> None:
    world = World()
    await world.open(20)
    assert (len(world.device.taken), len(world.device.ran)) == (2, 0)
    assert world.scheduler.status().documents == 20 - 2 * BUDGET // 2
    await world.step()
    assert (len(world.device.taken), len(world.device.ran)) == (3, 1)
    await world.end()


async def test_a_request_that_fits_is_not_shared_among_lanes_of_one_device() -> None:
    world = World()
    await world.open(BUDGET // 2)
    assert len(world.device.taken) == 1
    await world.end()


async def test_an_urgent_request_waits_for_the_two_batches_in_hand_and_no_other() -> None:
    world = World()
    await world.open(200, Priority.BULK, "stream")
    for _ in range(10):
        await world.step()
    before = len(world.device.taken)
    urgent = await world.open(3, Priority.INTERACTIVE, "caller")
    await world.step()
    assert {pair.value for pair in world.device.taken[before]}.issuperset(urgent.values)
    await world.step()
    await world.step()
    assert {pair.value for pair in world.device.ran[-1]}.issuperset(urgent.values)
    await world.end()


async def test_who_leaves_costs_at_most_the_two_batches_in_hand() -> None:
    world = World()
    gone = await world.open(100)
    await world.step()
    await world.close(gone)
    await world.end()
    assert len(world.device.ran) == 1 + LANES
