"""Who is refused for want of time would really have been late: played on a clock of its own.

The real fair queue, a backend whose cost is exactly a second for so many tokens, and arrivals of any kind.
Each refusal is checked in a copy of that world in which the request is taken in after all.
"""

from __future__ import annotations

import copy
import math
import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rerankd.core.errors import OverloadedError
from rerankd.core.fair_queue import FairQueue, RequestQueue
from rerankd.core.forecast import Server, Work, check_time

BUDGET = 512
RATE = 10_000.0
WEIGHTS = {"interactive": 8.0, "bulk": 1.0}


@dataclass(frozen=True)
class Pair:
    tokens: int


@dataclass(eq=False)
class Request:
    queue: RequestQueue[Pair]
    left: int
    done_by: float | None
    tokens: int = 0
    finished: float = math.inf


@dataclass(eq=False)
class World:
    """One lane, on a clock that only moves when a micro-batch runs or somebody comes."""

    queue: FairQueue[Pair] = field(default_factory=lambda: FairQueue(BUDGET))
    now: float = 0.0
    free_at: float = 0.0
    running: list[tuple[RequestQueue[Pair], Pair]] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    def run_until(self, instant: float) -> None:
        """Lets micro-batches run that begin before the instant."""
        while True:
            if self.running:
                if self.free_at > instant:
                    break
                self._end_batch()
            if not len(self.queue):
                break
            self.running = self.queue.pop()
            begin = max(self.now, self.free_at)
            self.free_at = begin + sum(pair.tokens for _, pair in self.running) / RATE
        self.now = max(self.now, instant if instant < math.inf else self.free_at)

    def _end_batch(self) -> None:
        self.now = max(self.now, self.free_at)
        by_queue = {id(request.queue): request for request in self.requests}
        for queue, _ in self.running:
            request = by_queue[id(queue)]
            request.left -= 1
            if not request.left:
                request.finished = self.now
        self.running = []

    def work(self, request: Request, tokens: int | None = None) -> Work:
        flow_level, level = self.queue.levels(request.queue)
        return Work(
            flow=request.queue.flow_key,
            weight=request.queue.weight,
            tokens=request.queue.tokens if tokens is None else tokens,
            done_by=request.done_by,
            flow_level=flow_level,
            level=level,
        )

    def check(self, request: Request, pairs: list[Pair]) -> None:
        """What the scheduler does when a request comes."""
        works = [self.work(each) for each in self.requests if each.left]
        server = Server(tokens_per_second=RATE, batch_tokens=BUDGET, free_at=max(self.now, self.free_at))
        check_time(works, self.work(request, sum(pair.tokens for pair in pairs)), server)

    def take_in(self, request: Request, pairs: list[Pair]) -> None:
        self.requests.append(request)
        self.queue.push(request.queue, pairs)
        self.run_until(self.now)


@dataclass(frozen=True)
class Arrival:
    pause: float
    client: int
    priority: str
    lengths: list[int]
    seconds: float | None


def arrivals(lengths: st.SearchStrategy[list[int]]) -> st.SearchStrategy[list[Arrival]]:
    return st.lists(
        st.builds(
            Arrival,
            pause=st.floats(0.0, 0.2),
            client=st.integers(0, 3),
            priority=st.sampled_from(["interactive", "interactive", "interactive", "bulk"]),
            lengths=lengths,
            seconds=st.one_of(st.none(), st.floats(0.01, 3.0)),
        ),
        min_size=1,
        max_size=25,
    )


def request_of(world: World, arrival: Arrival) -> tuple[Request, list[Pair]]:
    pairs = [Pair(length) for length in arrival.lengths]
    queue: RequestQueue[Pair] = RequestQueue(
        flow_key=(arrival.client, arrival.priority), weight=WEIGHTS[arrival.priority]
    )
    done_by = None if arrival.seconds is None else world.now + arrival.seconds
    return Request(queue, len(pairs), done_by, sum(arrival.lengths)), pairs


def finishes(world: World) -> list[float]:
    """When each is done if nobody else comes."""
    alone = copy.deepcopy(world)
    alone.run_until(math.inf)
    return [each.finished for each in alone.requests]


def would_have_harmed(world: World, request: Request, pairs: list[Pair]) -> bool:
    """Whether it would be late, or would make another late, or later than it is."""
    before = finishes(world)
    with_it = copy.deepcopy(world)
    with_it.take_in(*copy.deepcopy((request, pairs)))
    after = finishes(with_it)
    due = [math.inf if each.done_by is None else each.done_by for each in with_it.requests]
    others = zip(before, after, due, strict=False)
    return after[-1] > due[-1] or any(late > instant and late > early for early, late, instant in others)


def play(coming: list[Arrival], *, prove: bool = True) -> tuple[World, int]:
    """The world after all arrivals, and how many were refused."""
    world, refused = World(), 0
    for arrival in coming:
        world.run_until(world.now + arrival.pause)
        request, pairs = request_of(world, arrival)
        try:
            world.check(request, pairs)
        except OverloadedError:
            assert request.done_by is not None
            assert not prove or would_have_harmed(world, request, pairs)
            refused += 1
        else:
            world.take_in(request, pairs)
    return world, refused


@settings(max_examples=150, deadline=None)
@given(arrivals(st.integers(1, 60).map(lambda count: [64] * count)))
def test_who_is_refused_would_not_have_fitted(coming: list[Arrival]) -> None:
    play(coming)


def test_for_pairs_of_any_length_it_is_off_in_few_cases() -> None:
    """Requests are played through, not pairs: how lengths fill micro-batches is not foreseen."""
    chance = random.Random(7)
    wrong = refused = 0
    for _ in range(40):
        coming = [
            Arrival(
                chance.uniform(0, 0.2),
                chance.randrange(4),
                chance.choice(["interactive"] * 3 + ["bulk"]),
                [chance.randint(4, 128) for _ in range(chance.randint(1, 40))],
                chance.choice([None, chance.uniform(0.01, 2.0)]),
            )
            for _ in range(25)
        ]
        world = World()
        for arrival in coming:
            world.run_until(world.now + arrival.pause)
            request, pairs = request_of(world, arrival)
            try:
                world.check(request, pairs)
            except OverloadedError:
                refused += 1
                wrong += not would_have_harmed(world, request, pairs)
            else:
                world.take_in(request, pairs)
    assert refused > 50
    assert wrong <= 0.05 * refused


@pytest.mark.parametrize("clients", [1, 8])
@pytest.mark.parametrize("sizes", [(20,), (5, 60), (100,)])
def test_twice_the_load_loses_no_work(clients: int, sizes: tuple[int, ...]) -> None:
    """What is taken in is done in time, and the model never works for nothing."""
    length, seconds, load = 64, 1.0, 2.0
    coming = []
    for number in range(round(20 * RATE * load / (length * sum(sizes)))):
        for size in sizes:
            pause = size * length / (load * RATE)
            coming.append(Arrival(pause, number % clients, "interactive", [length] * size, seconds))
    world, refused = play(coming, prove=False)
    ended = world.now
    world.run_until(math.inf)
    late = [each for each in world.requests if each.finished > (each.done_by or 0) + 2 * BUDGET / RATE]
    good = sum(each.tokens for each in world.requests if each.finished <= ended and each not in late)
    assert refused > 0
    assert len(late) <= 0.02 * len(world.requests)
    assert good >= 0.95 * RATE * (ended - seconds)


def test_the_delay_that_a_refused_call_is_told_grows_with_the_queue() -> None:
    delays = []
    for ahead in (10, 40, 160):
        world = World()
        for _ in range(ahead):
            world.take_in(*request_of(world, Arrival(0, 0, "interactive", [64] * 10, None)))
        request, pairs = request_of(world, Arrival(0, 0, "interactive", [64] * 10, 0.2))
        with pytest.raises(OverloadedError) as refusal:
            world.check(request, pairs)
        assert refusal.value.metadata["tokens_per_second"] == "10000"
        delays.append(refusal.value.retry_after_seconds or 0.0)
        # As long as it takes to score a quarter of what waits, at least; and never longer than all of it.
        everything = (ahead + 1) * 640 / RATE
        assert everything / 4 <= delays[-1] + 0.06
        assert delays[-1] <= everything
    assert delays == sorted(delays)


def test_a_call_enters_an_idle_model_however_little_time_it_has() -> None:
    world = World()
    server = Server(tokens_per_second=RATE, batch_tokens=BUDGET, free_at=world.now)
    request, _ = request_of(world, Arrival(0, 0, "interactive", [64], 0.0001))
    check_time([], world.work(request, 64), server)


def test_ten_thousand_waiting_calls_are_judged_in_bounded_steps() -> None:
    works = [
        Work(flow=(n % 50, "interactive"), weight=8.0, tokens=2000, done_by=1000.0 + n / 100)
        for n in range(10_000)
    ]
    server = Server(tokens_per_second=RATE, batch_tokens=BUDGET, free_at=0.0)
    with pytest.raises(OverloadedError):
        check_time(works, Work(flow=99, weight=8.0, tokens=2000, done_by=0.001), server)
