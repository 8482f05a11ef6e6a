"""What the log holds, in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from rerankd.training.feedback.queries import same_query
from rerankd.training.feedback.segments import Segment
from rerankd.training.types import FeedbackEvent, FeedbackKind

MAX_NO_HITS = 100
"""Queries that are told by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoHit:
    """A query that found nothing, or nothing that anybody clicked."""

    query: str
    """As the log has it first: a digest where the log is hashed."""
    requests: int
    """How often it was asked."""
    empty: int
    """How often no document at all was shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackStatistics:
    """The log, or one corpus of it, in numbers."""

    events: Mapping[str, int]
    """By kind: shown, clicked, rated."""
    requests: int
    """Distinct requests whose results were shown."""
    queries: int
    """Distinct queries, whatever their case and white space."""
    clicked_requests: int
    """Requests with at least one click."""
    empty_requests: int
    """Lists without any document."""
    no_hits: tuple[NoHit, ...]
    """Queries whose every request ended without a click; the most frequent first, at most 100."""
    no_hit_queries: int
    """How many such queries there are."""
    first_time: float | None
    """Of the earliest event, in seconds since the epoch."""
    last_time: float | None
    segments: int
    """Files of the whole log."""
    bytes: int
    """Their size."""
    unreadable_lines: int
    """Lines of the whole log that are no event: somebody else wrote them, or a disk failed."""


class Tally:
    """Counts a log that is read twice; keeps digests, not texts, so that memory stays small."""

    def __init__(self) -> None:
        self.unreadable = 0
        self._events = Counter({kind.value: 0 for kind in FeedbackKind})
        self._times: tuple[float, float] | None = None
        self._shown: set[bytes] = set()
        self._clicked: set[bytes] = set()
        self._queries: dict[bytes, bool] = {}
        self._empty = 0
        self._no_hits: dict[bytes, NoHit] = {}

    def count(self, event: FeedbackEvent) -> None:
        """The first reading."""
        self._events[event.kind.value] += 1
        first, last = self._times or (event.time, event.time)
        self._times = (min(first, event.time), max(last, event.time))
        if event.kind is FeedbackKind.SHOWN:
            self._shown.add(_request(event))
            self._empty += not event.shown
        elif event.kind is FeedbackKind.CLICKED:
            self._clicked.add(_request(event))

    def look_for_no_hit(self, event: FeedbackEvent) -> None:
        """The second reading."""
        if event.kind is not FeedbackKind.SHOWN:
            return
        query = _digest(same_query(event.query))
        clicked = _request(event) in self._clicked
        self._queries[query] = self._queries.get(query, False) or clicked
        if self._queries[query]:
            self._no_hits.pop(query, None)
            return
        old = self._no_hits.get(query)
        self._no_hits[query] = NoHit(
            query=old.query if old else event.query,
            requests=(old.requests if old else 0) + 1,
            empty=(old.empty if old else 0) + (not event.shown),
        )

    def statistics(self, segments: Sequence[Segment]) -> FeedbackStatistics:
        """The result."""
        worst = sorted(self._no_hits.values(), key=lambda hit: (-hit.requests, hit.query))
        return FeedbackStatistics(
            events=dict(self._events),
            requests=len(self._shown),
            queries=len(self._queries),
            clicked_requests=len(self._shown & self._clicked),
            empty_requests=self._empty,
            no_hits=tuple(worst[:MAX_NO_HITS]),
            no_hit_queries=len(worst),
            first_time=self._times[0] if self._times else None,
            last_time=self._times[1] if self._times else None,
            segments=len(segments),
            bytes=sum(segment.size() for segment in segments),
            unreadable_lines=self.unreadable,
        )


def _request(event: FeedbackEvent) -> bytes:
    return _digest(f"{event.corpus_id}\n{event.request_id}")


def _digest(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=16).digest()
