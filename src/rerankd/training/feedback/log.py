"""The one writer of the log."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rerankd.config.training import FeedbackConfig
from rerankd.training.feedback.purging import Purge, PurgeResult
from rerankd.training.feedback.reader import FeedbackReader
from rerankd.training.types import FeedbackEvent


class LogInUseError(RuntimeError):
    """Another process (or another FeedbackLog here) writes this log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppendResult:
    """What became of the events of one call."""

    accepted: tuple[str, ...]
    """Ids that are on disk now, in the order of the call."""
    duplicates: tuple[str, ...]
    """Ids that were there already; their events are not kept again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """What opening the log repaired."""

    torn_bytes: int = 0
    """Bytes of a last line without an end, which a crash left; they were cut off."""
    resumed_purge: bool = False
    """A purge that a crash interrupted was finished."""


class FeedbackLog(FeedbackReader):
    """The log, open for writing. Blocks; safe from any thread; close it, or use it as a context."""

    def __init__(
        self, directory: Path, config: FeedbackConfig, *, clock: Callable[[], float] = time.time
    ) -> None:
        """Raises LogInUseError where another writer has the log, OSError where it cannot be written."""
        raise NotImplementedError

    @property
    def recovery(self) -> Recovery:
        """What opening the log repaired."""
        raise NotImplementedError

    def append(self, events: Sequence[FeedbackEvent]) -> AppendResult:
        """Keeps events: all of them or, where one is not valid, none. On disk when this returns.

        An event without an id gets one, an event with time 0 the present time.

        Raises:
            InvalidRequestError: An event is not valid; `field` names it (`events[3].query`).
            OSError: The disk is full or broken; nothing was kept.
        """
        raise NotImplementedError

    def purge(self, purge: Purge) -> PurgeResult:
        """Forgets what fits, in all that was appended before; a crash in the middle is made good later."""
        raise NotImplementedError

    def clear(self, corpus_id: str = "") -> PurgeResult:
        """Forgets everything, or everything of a corpus."""
        raise NotImplementedError

    def expire(self) -> None:
        """Lets go what is older than the setting `max_age_days`; each append does so too."""
        raise NotImplementedError

    def close(self) -> None:
        """Lets another writer have the log; harmless twice."""
        raise NotImplementedError
