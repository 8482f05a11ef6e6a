"""One active run a corpus, in whatever process: a lock that the system frees when its holder dies."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import struct
from dataclasses import dataclass
from pathlib import Path

from rerankd.training.layout import Layout

_FLOCK = struct.Struct("@hhqqi4x")
"""`struct flock` of Linux. Its locks belong to the open file, not to a process: children inherit them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who has the lock of a corpus."""

    run_id: str
    pid: int
    """0 while the worker is being started."""


class CorpusLock:
    """The lock of a corpus, held. A worker gets it by inheriting the descriptor."""

    def __init__(self, descriptor: int) -> None:
        """`acquire` makes one; a worker makes one of the descriptor that it inherited."""
        self.descriptor = descriptor

    @classmethod
    def acquire(cls, layout: Layout, corpus_id: str) -> CorpusLock | None:
        """The lock, or None where somebody has it."""
        path = lock_path(layout, corpus_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _whole_file(fcntl.F_WRLCK))
        except BlockingIOError:
            os.close(descriptor)
            return None
        return cls(descriptor)

    def tell(self, holder: Holder) -> None:
        """Writes down who has it; true for as long as the lock is held."""
        record = json.dumps({"run_id": holder.run_id, "pid": holder.pid}).encode()
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, record, 0)

    def release(self) -> None:
        """Closes this process' descriptor: free once no process has one."""
        with contextlib.suppress(OSError):
            os.close(self.descriptor)


def holder_of(layout: Layout, corpus_id: str) -> Holder | None:
    """Who has the lock of a corpus; None where it is free."""
    try:
        descriptor = os.open(lock_path(layout, corpus_id), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        # Asking takes no lock, so that it is in nobody's way.
        found = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, _whole_file(fcntl.F_WRLCK))
        return None if _FLOCK.unpack(found)[0] == fcntl.F_UNLCK else _read(descriptor)
    finally:
        os.close(descriptor)


def lock_path(layout: Layout, corpus_id: str) -> Path:
    """Where the lock of a corpus lies: outside the corpus, so that it outlives a deletion."""
    return layout.root / "runs" / f".{corpus_id}.lock"


def _whole_file(kind: int) -> bytes:
    return _FLOCK.pack(kind, os.SEEK_SET, 0, 0, 0)


def _read(descriptor: int) -> Holder:
    try:
        record = json.loads(os.pread(descriptor, 4096, 0))
        return Holder(run_id=str(record["run_id"]), pid=int(record["pid"]))
    except (ValueError, KeyError, TypeError):
        # Taken a moment ago; whoever it is has not written yet.
        return Holder(run_id="", pid=0)
