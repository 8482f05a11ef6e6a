"""Reading the log, while another thread or process may write it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from rerankd.training.feedback.queries import digest_of
from rerankd.training.feedback.records import event_of, outline_of
from rerankd.training.feedback.segments import segments_of
from rerankd.training.feedback.statistics import FeedbackStatistics, Tally
from rerankd.training.types import FeedbackEvent

KEY_FILE = "key"


class FeedbackReader:
    """The log of a directory, read only; it need not exist. Blocks; safe from any thread."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def events(self, corpus_id: str = "") -> Iterator[FeedbackEvent]:
        """Every event, oldest first; of one corpus where it is named. What is no event is left out."""
        for _, event in self._read():
            if event is not None and corpus_id in {"", event.corpus_id}:
                yield event

    def lines(self, corpus_id: str = "") -> Iterator[bytes]:
        """The same as JSON lines, for a download; each ends with a newline."""
        for line, event in self._read():
            if event is not None and corpus_id in {"", event.corpus_id}:
                yield line

    def recent(self, limit: int, corpus_id: str = "") -> list[FeedbackEvent]:
        """The last events, newest first."""
        found: list[FeedbackEvent] = []
        for segment in reversed(segments_of(self._directory)):
            events = (event_of(line) for line in segment.lines())
            wanted = (e for e in events if e is not None and corpus_id in {"", e.corpus_id})
            found += reversed(deque(wanted, maxlen=limit - len(found)))
            if len(found) >= limit:
                break
        return found

    def statistics(self, corpus_id: str = "") -> FeedbackStatistics:
        """What the log holds, in numbers; reads all of it, twice."""
        tally = Tally()
        for _, event in self._read(outline_of):
            if event is None:
                tally.unreadable += 1
            elif corpus_id in {"", event.corpus_id}:
                tally.count(event)
        # What was clicked is known only at the end, and remembering every query would take the log's size.
        for _, event in self._read(outline_of):
            if event is not None and corpus_id in {"", event.corpus_id}:
                tally.look_for_no_hit(event)
        return tally.statistics(segments_of(self._directory))

    def query_digest(self, query: str) -> str:
        """What a hashed log has in place of this query."""
        return digest_of(query, self._key())

    def _key(self) -> bytes:
        try:
            return (self._directory / KEY_FILE).read_bytes()
        except FileNotFoundError:
            return b""

    def _read(
        self, parse: Callable[[bytes], FeedbackEvent | None] = event_of
    ) -> Iterator[tuple[bytes, FeedbackEvent | None]]:
        for segment in segments_of(self._directory):
            for line in segment.lines():
                yield line, parse(line)
