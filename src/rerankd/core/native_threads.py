"""Threads that may be inside of a native library when the process ends."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable


class NativeThread(threading.Thread):
    """A daemon thread whose work calls libraries that nothing can interrupt.

    A load that was abandoned, or a plugin that hangs, does not hold up the end of the process. But such a
    thread must not come back from its library while the interpreter is taken down: Python then unwinds the
    thread's stack, the frames of C++ in it do not allow that, and the process aborts. So whoever ends a
    process in which there may be some calls `end_process_if_any` first.
    """

    def __init__(self, *, target: Callable[..., object], name: str, args: tuple[object, ...] = ()) -> None:
        super().__init__(target=target, name=name, args=args, daemon=True)


def end_process_if_any(status: int) -> None:
    """Ends the process at once with this exit status where a `NativeThread` still runs; else returns.

    To be called last: what is registered to run at the interpreter's exit is left out. Log lines and what
    was written to the standard streams are not lost.
    """
    if not any(isinstance(thread, NativeThread) for thread in threading.enumerate()):
        return
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        # A reader who is gone must not change the status.
        try:
            stream.flush()
        except (OSError, ValueError):
            continue
    os._exit(status)
