"""A disk without room: a real file system that is full, or a process that may write no file."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

_NO_FILES = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
"""
_BYTES = 64 * 1024


@dataclass(eq=False, kw_only=True)
class FullDisk:
    """A folder that takes no more.

    Attributes:
        folder: Where nothing can be written.
        prelude: Python that a server's program begins with.
        reason: What the system calls it.
    """

    folder: Path
    prelude: str
    reason: str
    filler: Path | None = None

    def make_room(self, process: int) -> None:
        """Lets the process write from now on."""
        if self.filler is not None:
            subprocess.run(["mount", "-o", "remount,size=64m", self.folder], check=True)
            self.filler.unlink()
        else:
            unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
            resource.prlimit(process, resource.RLIMIT_FSIZE, unlimited)


@contextmanager
def full_disk(kind: str, folder: Path) -> Iterator[FullDisk]:
    """`tmpfs`, which only root may mount (others skip), or `rlimit`, which any process may set itself."""
    folder.mkdir()
    if kind == "rlimit":
        yield FullDisk(folder=folder, prelude=_NO_FILES, reason="File too large")
        return
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_BYTES}", "none", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")
    try:
        filler = folder / "filler"
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass
        yield FullDisk(folder=folder, prelude="", reason="No space left on device", filler=filler)
    finally:
        subprocess.run(["umount", str(folder)], check=True)
