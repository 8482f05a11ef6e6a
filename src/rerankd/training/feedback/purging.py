"""What is taken out of the log, and how events look without it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Purge:
    """What to forget; an event that fits any of these goes."""

    event_ids: Collection[str] = ()
    request_ids: Collection[str] = ()
    """Everything about these requests."""
    document_ids: Collection[str] = ()
    """Clicks and ratings of these documents; out of the lists that were shown, only the document goes."""
    queries: Collection[str] = ()
    """Everything about the requests that asked this, whatever the case and the white space."""
    corpus_id: str = ""
    """Only events of this corpus; empty = of all."""
    everything: bool = False
    """All events (of the corpus, where one is named)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeResult:
    """What a purge did."""

    events: int
    """Events that are gone."""
    redacted: int
    """Lists that lost a document."""
