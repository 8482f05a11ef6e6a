"""The last log lines, kept in memory for the debug bundle."""

from __future__ import annotations

import logging
from collections import deque

KEPT_LINES = 2000
_MAX_CHARACTERS = 4000


class RecentLines(logging.Handler):
    """Remembers the last lines; a long traceback only in part."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps a line."""
        self._lines.append(self.format(record)[:_MAX_CHARACTERS])

    def lines(self) -> list[str]:
        """The lines, oldest first."""
        return list(self._lines)

    def forget(self) -> None:
        """Begins anew."""
        self._lines.clear()
