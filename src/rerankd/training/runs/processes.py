"""Worker processes: started, signalled, and waited for, also those that another process started."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

LOG = "worker.log"

_ENVIRONMENT: Mapping[str, str] = {
    # Nothing that a library might tell about its use leaves this machine.
    "DO_NOT_TRACK": "true",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # Bars in a log are noise.
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "TQDM_DISABLE": "1",
    # The tokenizer's threads would be more than the setting `threads` allows.
    "TOKENIZERS_PARALLELISM": "false",
    # cuBLAS gives the same sums each time only with a workspace of its own.
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    "PYTHONUNBUFFERED": "1",
}


class Worker(Protocol):
    """A process that trains."""

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal; a process that has ended does not mind."""

    def wait(self) -> int | None:
        """Blocks until it has ended; its exit code where that can be known, negative for signals."""


class ChildWorker:
    """A worker that this process started."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal."""
        self._process.send_signal(number)

    def wait(self) -> int | None:
        """Blocks until it has ended."""
        return self._process.wait()


class AdoptedWorker:
    """A worker whose server is gone, or is another process."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def find(cls, pid: int) -> AdoptedWorker | None:
        """The process of this id; None where there is none."""
        try:
            return cls(os.pidfd_open(pid)) if pid > 0 else None
        except OSError:
            return None

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._descriptor, number)

    def wait(self) -> int | None:
        """Blocks until it has ended; its exit code goes to its parent alone."""
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        poll.poll()
        return None


class Watch:
    """Waits for a worker in a thread of its own, and does what is to be done at its end.

    Attributes:
        worker: The process.
        ended: Set once it has ended and all is done.
    """

    def __init__(self, worker: Worker, at_end: Callable[[int | None], None]) -> None:
        """Begins to wait."""
        self.worker = worker
        self.ended = threading.Event()
        self._at_end = at_end
        threading.Thread(target=self._wait, name="run watch", daemon=True).start()

    def _wait(self) -> None:
        try:
            self._at_end(self.worker.wait())
        finally:
            self.ended.set()


def spawn(python: str, directory: Path, *, lock: int, listener: socket.socket, offline: bool) -> ChildWorker:
    """Starts a worker on a run's directory; it inherits the lock's descriptor and the socket."""
    command = [python, "-P", "-m", "rerankd.training.runs.worker", str(directory)]
    command += ["--lock", str(lock), "--wakes", str(listener.fileno())]
    environment = {**os.environ, **_ENVIRONMENT, **({"HF_HUB_OFFLINE": "1"} if offline else {})}
    with (directory / LOG).open("ab") as log:
        process = subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=(lock, listener.fileno()),
            env=environment,
            # What interrupts the server at a terminal is for the server to handle.
            start_new_session=True,
        )
    return ChildWorker(process)
