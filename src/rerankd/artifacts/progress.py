"""How far a load is, told in the registry's terms."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from rerankd.core.types import WarmupStage

if TYPE_CHECKING:
    # The port imports numpy, which whoever only lists models does not need.
    from rerankd.backends.base import ProgressReporter

_MIB = 1024 * 1024
_STEP = 0.005
"""Smallest progress worth a report: 200 lines for the largest model."""


class DownloadProgress:
    """Adds up the bytes of a model's files. The fraction never falls, whatever is sent twice.

    Not every size is known at first: external data are found when the graph is there.
    """

    def __init__(self, report: ProgressReporter) -> None:
        self._report = report
        self._lock = threading.Lock()
        self._total = 0
        self._done = 0
        self._fraction = 0.0
        self._reported = -1.0
        self._file = ""
        self._in_file = 0

    def expect(self, size: int) -> None:
        """More bytes are to come."""
        self._total += size

    def begin(self, path: str) -> None:
        """A file is being fetched."""
        self._file, self._in_file = path, 0
        self._tell(always=True)

    def add(self, count: int) -> None:
        """Bytes of the current file arrived; called from the downloader's thread."""
        with self._lock:
            self._in_file += count
            self._done += count
        self._tell()

    def finish(self, size: int) -> None:
        """The current file is complete, whatever part of it came from the cache."""
        with self._lock:
            self._done += size - self._in_file
            self._in_file = size
        self._tell()

    def say(self, detail: str) -> None:
        """A line for the operator, without progress."""
        self._report(WarmupStage.DOWNLOAD, self._fraction, detail)

    def end(self) -> None:
        """Everything is here."""
        self._fraction = 1.0
        self.say(f"{self._total / _MIB:.1f} MiB complete")

    def _tell(self, *, always: bool = False) -> None:
        with self._lock:
            if self._total:
                self._fraction = max(self._fraction, min(1.0, self._done / self._total))
            if not always and self._fraction - self._reported < _STEP:
                return
            self._reported = self._fraction
            done = min(max(self._done, 0), self._total)
        self._report(
            WarmupStage.DOWNLOAD,
            self._fraction,
            f"{done / _MIB:.1f} of {self._total / _MIB:.1f} MiB {self._file}",
        )
