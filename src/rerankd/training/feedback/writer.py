"""The files of the log as their one writer sees them: appended to, closed when full, let go when old."""

from __future__ import annotations

import os
from pathlib import Path

from rerankd.training.durable import sync_directory
from rerankd.training.feedback.segments import Segment, new_segment, segments_of

_AGE_STEPS = 10
"""A file is closed at this fraction of the longest age, so that what goes with it is nearly as old."""


class SegmentWriter:
    """Appends to the newest file, within bounds of a file, of all files and of age. Not thread-safe."""

    def __init__(self, directory: Path, *, segment_bytes: int, max_bytes: int, max_age: float) -> None:
        self._directory = directory
        self._segment_bytes = min(segment_bytes, max(1, max_bytes // 2))
        self._max_bytes = max_bytes
        self._max_age = max_age
        self._descriptor = -1
        self._sizes: dict[Segment, int] = {}
        self._last_number = 0
        self.torn_bytes = 0
        """What crashes left behind the last whole lines, and is cut off."""
        self._load()

    @property
    def segments(self) -> list[Segment]:
        """The files, oldest first."""
        return list(self._sizes)

    def append(self, block: bytes, now: float) -> None:
        """Adds whole lines, in one write; on disk when this returns.

        Raises:
            OSError: Nothing was added.
        """
        self._make_room(len(block), now)
        if self._descriptor < 0:
            self._begin(now)
        active = self.segments[-1]
        size = self._sizes[active]
        try:
            _write_all(self._descriptor, block)
            os.fdatasync(self._descriptor)
        except OSError:
            self._take_back(size)
            raise
        self._sizes[active] = size + len(block)

    def close_active(self) -> None:
        """The next append begins a new file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def expire(self, now: float) -> None:
        """Closes the newest file when it spans enough time, and deletes files that are too old."""
        if not self._max_age:
            return
        for segment in self.segments:
            age = now - segment.begun
            if segment == self.segments[-1] and age >= self._max_age / _AGE_STEPS:
                self.close_active()
            if age >= self._max_age:
                self._drop(segment)

    def put(self, segment: Segment, content: Path | None) -> bool:
        """Replaces a closed file, or deletes it for None; False where it is gone by now."""
        if segment not in self._sizes:
            return False
        if content is None:
            self._drop(segment)
        else:
            self._sizes[segment] = content.stat().st_size
            os.replace(content, segment.path)
            sync_directory(self._directory)
        return True

    def _load(self) -> None:
        for left in self._directory.glob(".*.tmp"):
            left.unlink(missing_ok=True)
        for segment in segments_of(self._directory):
            self.torn_bytes += segment.cut_torn_line()
            self._sizes[segment] = segment.size()
        if self._sizes:
            self._last_number = self.segments[-1].number
            self._descriptor = _open_for_appending(self.segments[-1].path)

    def _make_room(self, incoming: int, now: float) -> None:
        self.expire(now)
        if self._descriptor >= 0:
            size = self._sizes[self.segments[-1]]
            if size and size + incoming > self._segment_bytes:
                self.close_active()
        # The newest file may go too, once it is closed: the bound holds whatever the sizes are.
        while self._sizes and sum(self._sizes.values()) + incoming > self._max_bytes:
            oldest = self.segments[0]
            if len(self._sizes) == 1:
                self.close_active()
            self._drop(oldest)

    def _begin(self, now: float) -> None:
        self._last_number += 1
        segment = new_segment(self._directory, self._last_number, now)
        self._descriptor = _open_for_appending(segment.path)
        self._sizes[segment] = 0
        sync_directory(self._directory)

    def _drop(self, segment: Segment) -> None:
        del self._sizes[segment]
        segment.path.unlink(missing_ok=True)
        sync_directory(self._directory)

    def _take_back(self, size: int) -> None:
        try:
            os.ftruncate(self._descriptor, size)
        except OSError:
            # Half a line may stay: nothing may follow it, and the next start cuts it off.
            self._sizes[self.segments[-1]] = self.segments[-1].size()
            self.close_active()


def _open_for_appending(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def _write_all(descriptor: int, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[os.write(descriptor, view) :]
