"""Files that several processes may write at the same time, and that cost only time when they are lost."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path


def publish(path: Path, parts: Iterable[bytes]) -> None:
    """Writes a file under another name and renames it: who reads it sees all of it or nothing.

    It is not flushed to the disk; after a crash of the machine it may be gone or damaged.

    Raises:
        OSError: It cannot be written; nothing of it is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:16]}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines(parts)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
