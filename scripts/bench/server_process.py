"""A rerankd server of one's own for a benchmark, in its own process."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rerankd.client import Client


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends a server as an operator would."""
    process.terminate()
    process.wait(timeout=30)


def start(port: int, *arguments: str) -> subprocess.Popen[bytes]:
    """Starts `rerankd serve`; it is not ready yet."""
    command = [sys.executable, "-m", "rerankd", "serve", "--grpc-port", str(port), "--http-port", "0"]
    return subprocess.Popen([*command, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@contextmanager
def server(*arguments: str) -> Iterator[str]:
    """Starts a server on a free port and yields its target once it is ready."""
    port = free_port()
    process = start(port, *arguments)
    try:
        with Client(f"127.0.0.1:{port}") as client:
            client.wait_until_ready(timeout_seconds=120)
        yield f"127.0.0.1:{port}"
    finally:
        stop(process)
