"""Files that are whole after a crash: written beside, synced, moved into place."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


def sync_directory(directory: Path) -> None:
    """Puts the names in a directory on disk: a new or moved file is there only when its directory is."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def locked_file(path: Path, *, wait: bool = True) -> int:
    """A descriptor that holds the only lock of a file until it is closed, or its process ends.

    Raises:
        BlockingIOError: Somebody else holds it, and `wait` is False.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A file, readable by its owner alone, that is on disk once the block ends without an error."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def replaced_file(path: Path) -> Iterator[BinaryIO]:
    """Content of a file that takes the old one's place when the block ends; an error leaves the old one.

    One writer at a time: two would share the file beside.
    """
    staged = path.with_name(f".{path.name}.tmp")
    try:
        with new_file(staged) as file:
            yield file
        os.replace(staged, path)
    finally:
        staged.unlink(missing_ok=True)
    sync_directory(path.parent)
