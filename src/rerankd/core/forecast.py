"""When work will be done that waits in a fair queue: the arithmetic behind refusing what cannot be in time.

The queue is played through as `fair_queue` would serve it, request by request instead of pair by pair, as if
nobody else came. Whoever comes later can only make the rest later, so who is late here is late.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from rerankd.core.errors import OverloadedError

_STEPS = 256
"""Micro-batches that are played through at most: where more wait, several are taken for one. A forecast for
a call of a minute is off by a quarter of a second at most, and costs well under a millisecond."""
_MIN_RETRY_SECONDS = 0.05
_MAX_RETRY_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What waits of one request."""

    flow: Hashable
    weight: float
    """Of its flow."""
    tokens: int
    done_by: float | None
    """Instant at which it has to be done; None = whenever."""
    flow_level: float = 0.0
    """Virtual time of its flow."""
    level: float = 0.0
    """Its own virtual time within the flow."""


@dataclass(slots=True, eq=False)
class _Request:
    number: int
    tokens: float
    level: float


@dataclass(slots=True, eq=False)
class _Flow:
    weight: float
    level: float
    requests: list[_Request] = field(default_factory=list)

    def turn(self) -> tuple[float, float]:
        """The flow whose turn is the least goes first."""
        return (self.level, -self.weight)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Who does the work."""

    tokens_per_second: float
    batch_tokens: int
    free_at: float
    """Instant at which it will be done with what it has in hand."""

    def finish(self, works: Sequence[Work], until: float) -> list[float]:
        """The instant at which each is done; infinite for what is done after `until`."""
        horizon = (until - self.free_at) * self.tokens_per_second
        step = self.step(horizon)
        finish = [math.inf if work.tokens else self.free_at for work in works]
        flows = _flows(works)
        done = 0.0
        while flows and done <= horizon:
            ended: list[int] = []
            done += _serve(flows, step, ended)
            for number in ended:
                finish[number] = self.free_at + done / self.tokens_per_second
        return finish

    def step(self, horizon_tokens: float) -> float:
        """Tokens that are played through at once."""
        return max(float(self.batch_tokens), horizon_tokens / _STEPS)

    def doubt(self, works: Sequence[Work], until: float) -> list[float]:
        """Seconds by which the forecast of each can be too late: whoever is refused must not have fitted.

        Nothing where micro-batches are played through one by one and all weigh the same. For each that a
        flow of little weight gets earlier, as many run of the others as they weigh more.
        """
        coarse = self.step((until - self.free_at) * self.tokens_per_second) - self.batch_tokens
        most = max(work.weight for work in works)
        least = min(work.weight for work in works)
        return [
            (coarse + (0.0 if most == least else self.batch_tokens * most / work.weight))
            / self.tokens_per_second
            for work in works
        ]


def check_time(works: Sequence[Work], wanted: Work, server: Server) -> None:
    """Returns if `wanted` can be taken in, so that it and all that was promised before is done in time.

    A request that is late already is no reason to refuse another. One that comes alone is always taken in:
    how fast the model is, is seen by trying.

    Raises:
        OverloadedError: It cannot. The error tells when it could.
    """
    if wanted.done_by is None or not works:
        return
    # However they are served: who has until then to be done is safe.
    everything = wanted.tokens + sum(work.tokens for work in works)
    all_done = server.free_at + everything / server.tokens_per_second
    due = [work.done_by if work.done_by is not None else math.inf for work in (*works, wanted)]
    threatened = [instant for instant in due if instant < all_done]
    if not threatened:
        return
    until = max(threatened)
    spare = server.doubt([*works, wanted], until)
    horizon = until + max(spare)
    after = [
        done - doubt for done, doubt in zip(server.finish([*works, wanted], horizon), spare, strict=True)
    ]
    late = after[-1] - wanted.done_by if wanted.done_by <= until else 0.0
    if late <= 0:
        before = [done - doubt for done, doubt in zip(server.finish(works, horizon), spare, strict=False)]
        # Who has longer than `until` is safe, and when it is done was not looked at.
        judged = [instant if instant <= until else math.inf for instant in due]
        late = _harm(before, after, judged)
    if late > 0:
        # When the queue has room by what is known now, but not sooner than it has become shorter by a part:
        # whoever is refused comes back, and others come too.
        waits = max(min(late, all_done - min(threatened)), (all_done - server.free_at) / 4)
        raise _no_time(everything - wanted.tokens, wanted.tokens, server, waits)


def _harm(before: Sequence[float], after: Sequence[float], due: Sequence[float]) -> float:
    """By how much the worst is late of those that are in time as long as nobody else is taken in."""
    changes = zip(before, after, due, strict=False)
    return max(
        (later - instant for earlier, later, instant in changes if earlier <= instant < later), default=0.0
    )


def _no_time(ahead: int, tokens: int, server: Server, late: float) -> OverloadedError:
    return OverloadedError(
        "what waits already leaves too little time before the deadline of this call, or of one that is ahead "
        "of it; retry later",
        metadata={
            "queued_tokens": str(ahead),
            "tokens": str(tokens),
            "tokens_per_second": f"{server.tokens_per_second:.0f}",
        },
        retry_after_seconds=min(_MAX_RETRY_SECONDS, max(_MIN_RETRY_SECONDS, late)),
    )


def _flows(works: Sequence[Work]) -> list[_Flow]:
    flows: dict[Hashable, _Flow] = {}
    for number, work in enumerate(works):
        if not work.tokens:
            continue
        flow = flows.get(work.flow)
        if flow is None:
            flow = flows[work.flow] = _Flow(work.weight, work.flow_level)
        flow.requests.append(_Request(number, work.tokens, work.level))
    return list(flows.values())


def _serve(flows: list[_Flow], room: float, ended: list[int]) -> float:
    """Serves one micro-batch: the leader's first, then what others have that weigh as much."""
    served = 0.0
    leader = min(flows, key=_Flow.turn)
    turns = [leader] if len(flows) == 1 else sorted(flows, key=_Flow.turn)
    for flow in turns:
        if flow.weight < leader.weight:
            continue
        for request in sorted(flow.requests, key=_level):
            taken = min(request.tokens, room - served)
            request.tokens -= taken
            request.level += taken
            flow.level += taken / flow.weight
            served += taken
            if request.tokens <= 0:
                ended.append(request.number)
                flow.requests.remove(request)
            if served >= room:
                break
        if served >= room:
            break
    flows[:] = [flow for flow in flows if flow.requests]
    return served


def _level(request: _Request) -> float:
    return request.level
