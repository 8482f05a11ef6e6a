"""Whose pairs run next: micro-batches by token budget and length, fair between flows.

Start-time fair queueing (Goyal, Vin, Cheng 1996) in two levels: flows (a client at a priority),
then the requests of a flow. A pair is charged its tokens over the weight of its flow, the flow or
request with the least virtual time leads the next micro-batch. Pure data: no threads, no clock.
"""

from __future__ import annotations

import bisect
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

FIRST_GENERATION = 16
"""Pairs sorted together at first; few, so that a stream's first scores come early."""
GENERATION = 128
"""Pairs sorted together afterwards: more brings under 1 % (performance.md, section 6)."""
SIMILAR = 0.8
"""Least length of a pair, as a share of the batch's longest, that may fill a batch up."""

MAX_DEBTS = 1024
"""Idle flows remembered before those that owe nothing are forgotten."""


class Sized(Protocol):
    """What the queue needs to know of a pair."""

    @property
    def tokens(self) -> int:
        """Length in tokens, at least 1."""


ItemT = TypeVar("ItemT", bound=Sized)


@dataclass(slots=True, eq=False)
class Flow(Generic[ItemT]):
    """The requests of one client at one priority, sharing one weight."""

    key: object
    weight: float
    virtual_time: float
    clock: float = 0.0
    requests: list[RequestQueue[ItemT]] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class RequestQueue(Generic[ItemT]):
    """The unscored pairs of one request.

    Pairs are taken in generations, each sorted by length and drained before the next: sorting a
    queue that refills all the time would starve its shortest pairs. What arrives while one is being drained
    joins it as long as it has not had all the pairs that it may have.
    """

    flow_key: object
    weight: float
    incoming: deque[ItemT] = field(default_factory=deque)
    generation: list[ItemT] = field(default_factory=list)
    virtual_time: float = 0.0
    generation_size: int = FIRST_GENERATION
    """Pairs that the current generation may have; GENERATION from the second one on."""
    joined: int = 0
    """Pairs that the current generation has had."""
    tokens: int = 0
    """Of the pairs that wait."""

    def __len__(self) -> int:
        return len(self.incoming) + len(self.generation)

    def _refill(self) -> None:
        if not self.generation and self.joined:
            self.joined, self.generation_size = 0, GENERATION
        count = min(self.generation_size - self.joined, len(self.incoming))
        if count > 0:
            self.generation += [self.incoming.popleft() for _ in range(count)]
            self.generation.sort(key=_tokens)
            self.joined += count

    def take_longest(self) -> ItemT:
        """The longest pair of the current generation."""
        self._refill()
        return self.generation.pop()

    def take_similar(self, longest: int, shortest: float) -> ItemT | None:
        """The longest pair between two lengths, if there is one."""
        self._refill()
        position = bisect.bisect_right(self.generation, longest, key=_tokens) - 1
        if position < 0 or self.generation[position].tokens < shortest:
            return None
        return self.generation.pop(position)

    def clear(self) -> list[ItemT]:
        """Forgets all pairs and returns them."""
        dropped = [*self.generation, *self.incoming]
        self.generation.clear()
        self.incoming.clear()
        return dropped


def _tokens(item: Sized) -> int:
    return item.tokens


class FairQueue(Generic[ItemT]):
    """Unscored pairs of all requests of one model. Not thread-safe: its owner locks."""

    def __init__(self, budget: int) -> None:
        if budget < 1:
            raise ValueError("budget must be at least 1 token")
        self.budget = budget
        self.tokens = 0
        self.items = 0
        self._flows: dict[object, Flow[ItemT]] = {}
        self._clock = 0.0
        self._debts: dict[object, float] = {}
        """Virtual time of flows that went idle, so that idling for a moment does not pay."""

    def push(self, request: RequestQueue[ItemT], items: Iterable[ItemT]) -> None:
        """Adds pairs to a request, which joins its flow's turn if it was idle."""
        was_idle = not len(request)
        before = len(request.incoming)
        request.incoming.extend(items)
        added = len(request.incoming) - before
        if not added:
            return
        tokens = sum(request.incoming[i].tokens for i in range(before, before + added))
        self.items += added
        self.tokens += tokens
        request.tokens += tokens
        if was_idle:
            self._activate(request)

    def remove(self, request: RequestQueue[ItemT]) -> list[ItemT]:
        """Drops what a request still has queued."""
        dropped = request.clear()
        self.items -= len(dropped)
        self.tokens -= sum(item.tokens for item in dropped)
        request.tokens = 0
        if dropped:
            self._retire(request)
        return dropped

    def pop(self, takers: int = 1) -> list[tuple[RequestQueue[ItemT], ItemT]]:
        """The next micro-batch: at most `budget` padded tokens, or one pair longer than that.

        Where little waits it is only a share of it, so that none of `takers` idle lanes is left without.

        Led by the request whose turn it is; room that it leaves is filled with pairs of similar
        length, its own first, then those of others that weigh as much, in the order of their turns.
        """
        if not self.items:
            return []
        batch: list[tuple[RequestQueue[ItemT], ItemT]] = []
        waiting = self.tokens
        turns = self._turns()
        leader = next(turns)
        longest = self._take(leader, leader.take_longest(), batch).tokens
        room = self.budget // longest
        if takers > 1:
            room = min(room, -(-waiting // (takers * longest)))
        self._fill(leader, longest, room, batch)
        for request in turns:
            if len(batch) >= room:
                break
            # Bulk pairs would make an interactive batch longer for nothing but their own sake.
            if request.weight >= leader.weight:
                self._fill(request, longest, room, batch)
        for request in {id(r): r for r, _ in batch}.values():
            if not len(request):
                self._retire(request)
        return batch

    def levels(self, request: RequestQueue[ItemT]) -> tuple[float, float]:
        """Virtual time of a request's flow and its own; where it is idle, those that it would start with."""
        flow = self._flows.get(request.flow_key)
        if flow is None:
            start = max(self._clock, self._debts.get(request.flow_key, 0.0))
            return start, request.virtual_time
        return flow.virtual_time, request.virtual_time if len(request) else max(
            request.virtual_time, flow.clock
        )

    def __len__(self) -> int:
        return self.items

    def _fill(
        self,
        request: RequestQueue[ItemT],
        longest: int,
        room: int,
        batch: list[tuple[RequestQueue[ItemT], ItemT]],
    ) -> None:
        shortest = longest * SIMILAR
        while len(batch) < room:
            item = request.take_similar(longest, shortest)
            if item is None:
                return
            self._take(request, item, batch)

    def _take(
        self, request: RequestQueue[ItemT], item: ItemT, batch: list[tuple[RequestQueue[ItemT], ItemT]]
    ) -> ItemT:
        flow = self._flows[request.flow_key]
        # The clocks follow the start tags in service; a flow that wakes up starts from there.
        self._clock = max(self._clock, flow.virtual_time) if not batch else self._clock
        flow.clock = max(flow.clock, request.virtual_time)
        flow.virtual_time += item.tokens / flow.weight
        request.virtual_time += item.tokens
        self.items -= 1
        self.tokens -= item.tokens
        request.tokens -= item.tokens
        batch.append((request, item))
        return item

    def _turns(self) -> Iterator[RequestQueue[ItemT]]:
        """All requests with pairs, the one whose turn it is first."""
        # A flow that wakes up starts level with the least served; weight breaks the tie, so that
        # an interactive request is in the very next batch however many streams run.
        for flow in sorted(self._flows.values(), key=lambda f: (f.virtual_time, -f.weight)):
            yield from sorted(flow.requests, key=lambda r: r.virtual_time)

    def _activate(self, request: RequestQueue[ItemT]) -> None:
        flow = self._flows.get(request.flow_key)
        if flow is None:
            start = max(self._clock, self._debts.pop(request.flow_key, 0.0))
            flow = Flow(key=request.flow_key, weight=request.weight, virtual_time=start)
            self._flows[request.flow_key] = flow
        request.virtual_time = max(request.virtual_time, flow.clock)
        flow.requests.append(request)

    def _retire(self, request: RequestQueue[ItemT]) -> None:
        flow = self._flows[request.flow_key]
        flow.requests.remove(request)
        if flow.requests:
            return
        del self._flows[request.flow_key]
        if not self._flows:
            # Nobody waits: nobody was wronged, so all debts end here.
            self._clock = max(self._clock, flow.virtual_time)
            self._debts.clear()
            return
        self._debts[flow.key] = flow.virtual_time
        if len(self._debts) > MAX_DEBTS:
            self._debts = {key: time for key, time in self._debts.items() if time > self._clock}
