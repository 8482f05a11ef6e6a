"""Results that other programs read, whole after a crash: with names of their own until they are in place."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterable
from pathlib import Path

from rerankd.training.durable import sync_directory


def write_bytes(path: Path, content: bytes) -> None:
    """Replaces a file at once; whoever reads it sees the old content or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = _beside(path)
    try:
        with staged.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(staged, path)
    finally:
        staged.unlink(missing_ok=True)
    sync_directory(path.parent)


def copy_directory(source: Path, names: Iterable[str], target: Path) -> None:
    """Copies the named files of a directory into a new one that appears only when it is complete.

    A target that exists already is left as it is.
    """
    if target.is_dir():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    staged = _beside(target)
    try:
        for name in names:
            (staged / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, staged / name)
            with (staged / name).open("rb") as file:
                os.fsync(file.fileno())
        sync_directory(staged)
        os.rename(staged, target)
    except OSError:
        # Somebody else put the same there first; anything else is the caller's to hear.
        if not target.is_dir():
            raise
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    sync_directory(target.parent)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}.tmp")
