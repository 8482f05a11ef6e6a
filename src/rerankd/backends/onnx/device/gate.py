"""Who may touch the GPU while a CUDA graph is captured: nobody else in this process.

ONNX Runtime captures in CUDA's global mode, in which an allocation or a copy by any other thread fails, and
voids the capture. So captures are alone, among runs and loads of all models, which otherwise go side by side.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Gate:
    """Lets many in, or one alone; who waits to be alone goes before who comes later."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._alone = False
        self._waiting = 0

    @contextmanager
    def beside_others(self) -> Iterator[None]:
        """For whatever is no capture."""
        with self._changed:
            self._changed.wait_for(lambda: not self._alone and not self._waiting)
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """For a capture."""
        with self._changed:
            self._waiting += 1
            self._changed.wait_for(lambda: not self._alone and not self._inside)
            self._waiting -= 1
            self._alone = True
        try:
            yield
        finally:
            with self._changed:
                self._alone = False
                self._changed.notify_all()


GATE = Gate()
"""Of the process: the driver's rule knows no models."""
