"""Signals that end a run between two steps."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType


class StoppedError(BaseException):
    """The run is to end; what it was doing is left. No library may take it for a failure of its own."""


class Stop:
    """Whether the run is to end, and why.

    Attributes:
        wanted: SIGTERM (cancelled), SIGINT (interrupted by its server), or None.
    """

    def __init__(self) -> None:
        """Wants nothing."""
        self.wanted: signal.Signals | None = None
        self._raises = False

    def listen(self) -> None:
        """Takes over SIGTERM and SIGINT; main thread only."""
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)

    def check(self) -> None:
        """Between two things to do.

        Raises:
            StoppedError: The run is to end.
        """
        if self.wanted is not None:
            raise StoppedError

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """Within it a signal raises StoppedError wherever it comes: for work that may be left half done."""
        self.check()
        self._raises = True
        try:
            yield
        finally:
            self._raises = False
        self.check()

    def agreed(self) -> bool:
        """Whether all processes of the run are to end now; each of them has to ask after each step."""
        import torch.distributed

        wanted = self.wanted is not None
        if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
            return wanted
        device = "cuda" if torch.distributed.get_backend() == "nccl" else "cpu"
        # Signals come at different steps; one process that stopped alone would leave the others waiting.
        flag = torch.tensor([int(wanted)], device=device)
        torch.distributed.all_reduce(flag, op=torch.distributed.ReduceOp.MAX)
        if flag.item() and not wanted:
            self.wanted = signal.SIGTERM
        return bool(flag.item())

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.wanted = signal.Signals(number)
        if self._raises:
            raise StoppedError
