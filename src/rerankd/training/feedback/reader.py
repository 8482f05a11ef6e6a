"""Reading the log, while another thread or process may write it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rerankd.training.feedback.statistics import FeedbackStatistics
from rerankd.training.types import FeedbackEvent


class FeedbackReader:
    """The log of a directory, read only; it need not exist. Blocks; safe from any thread."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def events(self, corpus_id: str = "") -> Iterator[FeedbackEvent]:
        """Every event, oldest first; of one corpus where it is named."""
        raise NotImplementedError

    def lines(self, corpus_id: str = "") -> Iterator[bytes]:
        """The same as JSON lines, for a download; each ends with a newline."""
        raise NotImplementedError

    def recent(self, limit: int, corpus_id: str = "") -> list[FeedbackEvent]:
        """The last events, newest first."""
        raise NotImplementedError

    def statistics(self, corpus_id: str = "") -> FeedbackStatistics:
        """What the log holds, in numbers; reads all of it."""
        raise NotImplementedError

    def query_digest(self, query: str) -> str:
        """What a hashed log has in place of this query."""
        raise NotImplementedError
