"""What the log holds, in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class NoHit:
    """A query that found nothing, or nothing that anybody clicked or rated well."""

    query: str
    """As it was asked last; a digest where the log is hashed."""
    requests: int
    """How often."""
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
    """Requests that showed no document."""
    no_hits: tuple[NoHit, ...]
    """Queries whose every request ended without a click; the most frequent first, at most 100."""
    no_hit_queries: int
    """How many such queries there are."""
    first_time: float | None
    """Of the earliest event, in seconds since the epoch."""
    last_time: float | None
    segments: int
    """Files."""
    bytes: int
    unreadable_lines: int
    """Lines that are no event: left by a crash or by somebody else."""
