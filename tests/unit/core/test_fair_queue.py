"""The scheduler's queue: nothing lost, nothing doubled, the budget kept, every flow its share."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from rerankd.core.fair_queue import FIRST_GENERATION, GENERATION, SIMILAR, FairQueue, RequestQueue

BUDGET = 100


@dataclass(slots=True, eq=False)
class Pair:
    tokens: int
    name: object = None


def request(flow: str = "a", weight: float = 1.0) -> RequestQueue[Pair]:
    return RequestQueue(flow_key=flow, weight=weight)


class QueueMachine(RuleBasedStateMachine):
    """Any sequence of arrivals, cancellations and batches."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: FairQueue[Pair] = FairQueue(BUDGET)
        self.requests: list[RequestQueue[Pair]] = []
        self.waiting: dict[int, tuple[RequestQueue[Pair], Pair]] = {}

    @rule(flow=st.sampled_from("abc"), weight=st.sampled_from([1.0, 8.0]))
    def open_request(self, flow: str, weight: float) -> None:
        self.requests.append(request(flow, weight))

    @precondition(lambda self: self.requests)
    @rule(data=st.data(), lengths=st.lists(st.integers(1, 2 * BUDGET), max_size=200))
    def push(self, data: st.DataObject, lengths: list[int]) -> None:
        owner = data.draw(st.sampled_from(self.requests))
        pairs = [Pair(tokens) for tokens in lengths]
        self.queue.push(owner, pairs)
        self.waiting.update({id(pair): (owner, pair) for pair in pairs})

    @precondition(lambda self: self.requests)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        owner = data.draw(st.sampled_from(self.requests))
        for pair in self.queue.remove(owner):
            del self.waiting[id(pair)]
        assert all(owner is not other for other, _ in self.waiting.values())

    @rule(takers=st.integers(1, 4))
    def pop(self, takers: int) -> None:
        batch = self.queue.pop(takers)
        assert bool(batch) == bool(self.waiting)
        for owner, pair in batch:
            expected, _ = self.waiting.pop(id(pair))  # KeyError: doubled or invented
            assert owner is expected
        if len(batch) > 1:
            longest = max(pair.tokens for _, pair in batch)
            assert longest * len(batch) <= BUDGET
            assert all(pair.tokens >= longest * SIMILAR for _, pair in batch)

    @invariant()
    def counts_agree(self) -> None:
        assert len(self.queue) == len(self.waiting)
        assert self.queue.tokens == sum(pair.tokens for _, pair in self.waiting.values())

    def teardown(self) -> None:
        while batch := self.queue.pop():
            for _, pair in batch:
                del self.waiting[id(pair)]
        assert not self.waiting, "pairs were lost"


TestQueueMachine = QueueMachine.TestCase
TestQueueMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@given(lengths=st.lists(st.integers(80, 100), min_size=1, max_size=40), takers=st.integers(1, 8))
def test_idle_lanes_share_what_little_waits(lengths: list[int], takers: int) -> None:
    """As many lanes as there are pairs get some, and none of them much more than its share."""
    queue: FairQueue[Pair] = FairQueue(BUDGET)
    queue.push(request(), [Pair(tokens) for tokens in lengths])
    shares = []
    for free in range(takers, 0, -1):
        waiting = queue.tokens
        batch = queue.pop(free)
        shares.append(len(batch))
        if free > 1:
            assert sum(pair.tokens for _, pair in batch) <= waiting / free + 100
    assert sum(map(bool, shares)) >= min(takers, len(lengths)) - 1


@given(st.lists(st.integers(1, 300), min_size=1, max_size=400))
def test_every_pair_comes_out_once(lengths: list[int]) -> None:
    queue: FairQueue[Pair] = FairQueue(BUDGET)
    pairs = [Pair(tokens) for tokens in lengths]
    queue.push(request(), pairs)
    out = []
    while batch := queue.pop():
        out += [pair for _, pair in batch]
    assert Counter(map(id, out)) == Counter(map(id, pairs))


@given(
    weights=st.lists(st.sampled_from([1.0, 2.0, 8.0]), min_size=2, max_size=4),
    lengths=st.lists(st.integers(1, BUDGET), min_size=2, max_size=4),
    batches=st.integers(1, 120),
)
def test_backlogged_flows_share_by_weight(weights: list[float], lengths: list[int], batches: int) -> None:
    """No flow that always has work falls behind another by more than one micro-batch of each.

    Flows of unequal lengths: filling up never takes a pair of much smaller length, so service
    ahead of one's turn is bounded by the batch as well.
    """
    queue: FairQueue[Pair] = FairQueue(BUDGET)
    served: Counter[str] = Counter()
    flows = list(zip("abcd", weights, lengths, strict=False))
    for name, weight, tokens in flows:
        queue.push(
            request(name, weight), [Pair(tokens, name) for _ in range(batches * BUDGET // tokens + BUDGET)]
        )
    for _ in range(batches):
        for owner, pair in queue.pop():
            served[str(owner.flow_key)] += pair.tokens
    normalised = {name: served[name] / weight for name, weight, _ in flows}
    slack = max(2 * BUDGET / weight for _, weight, _ in flows)
    assert max(normalised.values()) - min(normalised.values()) <= slack


@given(streams=st.integers(1, 20), already_run=st.integers(0, 50), length=st.integers(1, BUDGET))
def test_a_new_small_request_is_in_the_next_batch(streams: int, already_run: int, length: int) -> None:
    queue: FairQueue[Pair] = FairQueue(BUDGET)
    for number in range(streams):
        queue.push(request(f"stream-{number}"), [Pair(10) for _ in range(2000)])
    for _ in range(already_run):
        queue.pop()
    small = request("small", weight=8.0)
    queue.push(small, [Pair(length)])
    assert any(owner is small for owner, _ in queue.pop())


def test_bulk_pairs_do_not_lengthen_an_interactive_batch() -> None:
    queue: FairQueue[Pair] = FairQueue(BUDGET)
    bulk, small = request("bulk"), request("small", weight=8.0)
    queue.push(bulk, [Pair(20) for _ in range(50)])
    queue.push(small, [Pair(20)])
    assert [owner for owner, _ in queue.pop()] == [small]
    # Among equals a batch is filled: ten pairs of two requests make two full ones.
    queue.push(request("other"), [Pair(20) for _ in range(5)])
    assert [len(queue.pop()) for _ in range(2)] == [BUDGET // 20] * 2


def test_requests_of_one_flow_take_turns() -> None:
    queue: FairQueue[Pair] = FairQueue(BUDGET)
    first, second = request(), request()
    queue.push(first, [Pair(50) for _ in range(40)])
    queue.pop()
    queue.push(second, [Pair(50) for _ in range(4)])
    owners = [owner for _ in range(4) for owner, _ in queue.pop()]
    assert owners.count(second) == 4
    assert owners.count(first) == 4


def test_idling_for_a_moment_does_not_wipe_a_debt() -> None:
    queue: FairQueue[Pair] = FairQueue(BUDGET)
    greedy, steady = request("greedy"), request("steady")
    queue.push(steady, [Pair(100) for _ in range(10)])
    queue.push(greedy, [Pair(1000)])
    owners = [queue.pop()[0][0], queue.pop()[0][0]]
    assert set(owners) == {greedy, steady}
    queue.push(greedy, [Pair(1000)])  # idle in between; it used ten times its share
    assert [queue.pop()[0][0] for _ in range(8)] == [steady] * 8


def test_short_pairs_of_a_long_stream_do_not_starve() -> None:
    """Longest first over a queue that refills would keep the shortest to the end."""
    queue: FairQueue[Pair] = FairQueue(BUDGET)
    stream = request()
    short = Pair(1, "short")
    queue.push(stream, [short])
    popped = 0
    for _ in range(3 * GENERATION):
        queue.push(stream, [Pair(BUDGET)])
        batch = queue.pop()
        popped += 1
        if any(pair is short for _, pair in batch):
            break
    assert popped <= GENERATION


def test_what_comes_late_is_sorted_among_what_came_before() -> None:
    queue: FairQueue[Pair] = FairQueue(BUDGET)
    whole = RequestQueue[Pair](flow_key="a", weight=1.0, generation_size=GENERATION)
    queue.push(whole, [Pair(50), Pair(30)])
    assert [pair.tokens for _, pair in queue.pop()] == [50]
    queue.push(whole, [Pair(20), Pair(40)])
    assert [pair.tokens for batch in iter(queue.pop, []) for _, pair in batch] == [40, 30, 20]


def test_a_generation_that_has_had_its_pairs_takes_no_more() -> None:
    queue: FairQueue[Pair] = FairQueue(BUDGET)
    stream = request()
    queue.push(stream, [Pair(60)] * FIRST_GENERATION)
    queue.pop()
    queue.push(stream, [Pair(90)])
    rest = [pair.tokens for batch in iter(queue.pop, []) for _, pair in batch]
    assert rest == [60] * (FIRST_GENERATION - 1) + [90]


def test_budget_must_be_positive() -> None:
    with pytest.raises(ValueError, match="budget"):
        FairQueue(0)
