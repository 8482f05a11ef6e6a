"""What every thread and every task does at this moment: places in the code, never values."""

from __future__ import annotations

import asyncio
import sys
import threading
import traceback
from collections.abc import Iterator
from types import FrameType


def thread_stacks() -> str:
    """The stack of each thread of Python, by its name."""
    names = {thread.ident: thread for thread in threading.enumerate()}
    parts = []
    for identity, frame in sys._current_frames().items():
        thread = names.get(identity)
        kind = "daemon" if thread is not None and thread.daemon else ""
        name = thread.name if thread is not None else "not of Python"
        parts.append("\n".join([f"Thread {name} {kind}".rstrip(), *_lines(frame)]))
    return "\n\n".join(parts) + "\n"


def task_stacks() -> str:
    """Where each task of the running event loop waits."""
    parts = []
    for task in asyncio.all_tasks():
        frames = task.get_stack()
        parts.append("\n".join([f"Task {task.get_name()}", *_places(frames)]))
    return "\n\n".join(sorted(parts)) + "\n"


def _lines(frame: FrameType) -> Iterator[str]:
    for line in traceback.format_stack(frame):
        yield line.rstrip()


def _places(frames: list[FrameType]) -> Iterator[str]:
    for frame in frames:
        yield f'  File "{frame.f_code.co_filename}", line {frame.f_lineno}, in {frame.f_code.co_name}'
