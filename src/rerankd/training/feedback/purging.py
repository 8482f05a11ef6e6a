"""What is taken out of the log, and how events look without it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rerankd.core.errors import InvalidRequestError
from rerankd.training.durable import new_file, replaced_file, sync_directory
from rerankd.training.feedback.queries import digest_of, same_query
from rerankd.training.feedback.records import event_of, line_of
from rerankd.training.feedback.segments import Segment
from rerankd.training.types import FeedbackEvent

INTENT_FILE = "purge.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Purge:
    """What to forget; an event that fits any of these goes."""

    event_ids: Sequence[str] = ()
    request_ids: Sequence[str] = ()
    """Everything about these requests."""
    document_ids: Sequence[str] = ()
    """Clicks and ratings of these documents; out of the lists that were shown, only the document goes."""
    queries: Sequence[str] = ()
    """Everything about the requests that asked this, whatever the case and the white space."""
    corpus_id: str = ""
    """Only events of this corpus; empty = of all."""
    everything: bool = False
    """All events (of the corpus, where one is named)."""

    def check(self) -> None:
        """Raises InvalidRequestError where nothing is named."""
        if not (self.event_ids or self.request_ids or self.document_ids or self.queries or self.everything):
            raise InvalidRequestError(
                "purge names nothing; give event_ids, request_ids, document_ids or queries", field="purge"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeResult:
    """What a purge did."""

    events: int
    """Events that are gone."""
    redacted: int
    """Lists that lost a document."""


class Eraser:
    """A purge, ready to be applied to events one by one."""

    def __init__(self, purge: Purge, key: bytes) -> None:
        self._purge = purge
        self._events = frozenset(purge.event_ids)
        self._requests = set(purge.request_ids)
        self._documents = frozenset(purge.document_ids)
        self._queries = {same_query(query) for query in purge.queries}
        self._queries |= {digest_of(query, key) for query in purge.queries}

    @property
    def resolves_queries(self) -> bool:
        """Whether `learn` has to see the log before `apply`."""
        return bool(self._queries)

    def learn(self, events: Iterable[FeedbackEvent]) -> None:
        """Finds the requests that asked the queries, for their clicks do not repeat the query."""
        for event in events:
            if self._in_scope(event) and event.query and self._query_of(event) in self._queries:
                self._requests.add(event.request_id)

    def apply(self, event: FeedbackEvent) -> FeedbackEvent | None:
        """The event as it may stay; None where it has to go."""
        if not self._in_scope(event):
            return event
        if (
            self._purge.everything
            or event.id in self._events
            or event.request_id in self._requests
            or (event.document is not None and event.document.id in self._documents)
        ):
            return None
        left = tuple(document for document in event.shown if document.id not in self._documents)
        if len(left) == len(event.shown):
            return event
        # An empty list would tell that the query found nothing.
        return replace(event, shown=left) if left else None

    def resolved(self) -> Purge:
        """The same purge with the requests that were learned, so that it can be done again."""
        return replace(self._purge, request_ids=sorted(self._requests))

    def _in_scope(self, event: FeedbackEvent) -> bool:
        return self._purge.corpus_id in {"", event.corpus_id}

    def _query_of(self, event: FeedbackEvent) -> str:
        return event.query if event.hashed else same_query(event.query)


def rewrite(segment: Segment, eraser: Eraser, put: Callable[[Path | None], bool]) -> PurgeResult:
    """Writes what may stay of a file beside it, and has `put` move it into place (None: nothing stays).

    A file in which nothing is erased is not touched; a line that cannot be read goes, for nobody can tell
    what it says.
    """
    beside = segment.path.with_name(f".{segment.path.name}.tmp")
    gone = redacted = unreadable = 0
    kept = False
    try:
        with new_file(beside) as file:
            for line in segment.lines():
                event = event_of(line)
                left = None if event is None else eraser.apply(event)
                unreadable += event is None
                gone += event is not None and left is None
                if left is not None:
                    kept = True
                    redacted += left is not event
                    file.write(line if left is event else line_of(left))
        if (gone or redacted or unreadable) and not put(beside if kept else None):
            return PurgeResult(events=0, redacted=0)
    finally:
        beside.unlink(missing_ok=True)
    return PurgeResult(events=gone, redacted=redacted)


def save_intent(directory: Path, purge: Purge, last: int) -> None:
    """Notes a purge before it begins: one that a crash interrupts is finished when the log is opened."""
    with replaced_file(directory / INTENT_FILE) as file:
        file.write(json.dumps({"purge": asdict(purge), "last": last}).encode())


def load_intent(directory: Path) -> tuple[Purge, int] | None:
    """The purge that was begun and not finished, and the number of the last file that it is about."""
    try:
        record = json.loads((directory / INTENT_FILE).read_bytes())
    except FileNotFoundError:
        return None
    return Purge(**record["purge"]), int(record["last"])


def forget_intent(directory: Path) -> None:
    """The purge is finished."""
    (directory / INTENT_FILE).unlink(missing_ok=True)
    sync_directory(directory)
