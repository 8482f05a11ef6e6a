"""A rerankd server in a process of its own, as an operator runs it."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from rerankd.client import Client


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class RerankdProcess:
    """`rerankd serve` on free ports of the loopback interface; ready when entered, joined when left."""

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments
        self.target = f"127.0.0.1:{free_port()}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> RerankdProcess:
        port = self.target.rpartition(":")[2]
        command = [sys.executable, "-m", "rerankd", "serve", "--grpc-port", port, "--http-port", "0"]
        self._process = subprocess.Popen([*command, *self._arguments])
        with Client(self.target) as client:
            client.wait_until_ready(timeout_seconds=60)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=60)

    @property
    def pid(self) -> int:
        """The server's process."""
        assert self._process is not None
        return self._process.pid

    def peak_rss_kib(self) -> int:
        """Largest resident set so far, in KiB."""
        for line in Path(f"/proc/{self.pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
        raise RuntimeError("no VmHWM: this test needs Linux")
