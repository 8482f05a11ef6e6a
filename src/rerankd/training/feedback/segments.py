"""The files of the log, and what a crash may leave of them.

`<number>-<begun>.jsonl`: the number orders them, `begun` is when the first event came (seconds since the
epoch). A line counts once it has its newline; what follows the last newline was never acknowledged.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_NAME = re.compile(r"(\d{8,})-(\d+)\.jsonl")
_BLOCK = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A file of the log."""

    number: int
    begun: int
    path: Path

    def size(self) -> int:
        """Bytes; 0 where it is gone by now."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def lines(self) -> Iterator[bytes]:
        """Whole lines with their newlines; nothing where the file is gone by now."""
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            return
        with file:
            for line in file:
                if line.endswith(b"\n"):
                    yield line

    def cut_torn_line(self) -> int:
        """Takes off what follows the last newline, and says how many bytes that was."""
        with self.path.open("r+b") as file:
            size = file.seek(0, os.SEEK_END)
            whole = _after_last_newline(file.fileno(), size)
            if whole < size:
                file.truncate(whole)
                os.fsync(file.fileno())
        return size - whole


def _after_last_newline(descriptor: int, size: int) -> int:
    end = size
    while end > 0:
        start = max(0, end - _BLOCK)
        found = os.pread(descriptor, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def new_segment(directory: Path, number: int, begun: float) -> Segment:
    """Where a file of this number is to be."""
    return Segment(number=number, begun=int(begun), path=directory / f"{number:08d}-{int(begun)}.jsonl")


def segments_of(directory: Path) -> list[Segment]:
    """The files of a log, oldest first; none where there is no log."""
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return []
    found = [
        Segment(number=int(match[1]), begun=int(match[2]), path=directory / match[0])
        for match in map(_NAME.fullmatch, names)
        if match
    ]
    return sorted(found, key=lambda segment: segment.number)
