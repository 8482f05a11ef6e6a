"""Who may touch the GPU while a CUDA graph is captured: nobody else in this process.

ONNX Runtime captures in CUDA's global mode, in which an allocation or a copy by any other thread fails, and
voids the capture. So a capture is made while no other model runs or loads, and put off otherwise.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Gate:
    """Lets many in, or one alone, for whom nobody waits: a load takes seconds, and batches go on."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._alone = False

    @contextmanager
    def beside_others(self) -> Iterator[None]:
        """For whatever is no capture; waits while one is made, which takes milliseconds."""
        with self._changed:
            self._changed.wait_for(lambda: not self._alone)
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self, patience_seconds: float = 0.0) -> Iterator[bool]:
        """For a capture; gives whether nobody else is inside, or was within that time."""
        with self._changed:
            granted = self._changed.wait_for(lambda: not self._alone and not self._inside, patience_seconds)
            self._alone = self._alone or granted
        try:
            yield granted
        finally:
            if granted:
                with self._changed:
                    self._alone = False
                    self._changed.notify_all()


GATE = Gate()
"""Of the process: the driver's rule knows no models."""
