"""What the scheduler moves about: a request's place in it, its pairs, and micro-batches of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from rerankd.backends.base import EncodedPair, Float32Array
from rerankd.core.errors import RerankdError
from rerankd.core.fair_queue import RequestQueue
from rerankd.core.telemetry import CallTrace
from rerankd.core.types import Priority


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
    priority: Priority
    done_by: float | None = None
    """Instant by which its last pair was promised to be scored; None = nothing was promised."""
    to_come: int = 0
    """Tokens that are expected and not queued yet."""
    unscored: int = 0
    """Tokens that are queued or being scored."""
    first_run_at: float | None = None
    wait_told: bool = False
    trace: CallTrace | None = None
    closed: bool = False


@dataclass(slots=True)
class MicroBatch:
    """Pairs that a lane scores together, by the requests that they belong to."""

    pairs: list[QueuedPair]
    by_ticket: dict[int, tuple[Ticket, list[int]]] = field(default_factory=dict)
    tokens: int = 0
    idle_before: bool = False
    """Whether its lane had nothing to do before it."""
    more_waits: bool = False
    """Whether work was left when it was taken."""
    lane: int = 0
    started: float = 0.0
    due: float = 0.0
    """When it should end."""
    ended: float = 0.0
