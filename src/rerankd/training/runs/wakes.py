"""Wakes those who follow a run, in any process, when its journal has grown.

The worker listens on a socket in the run's directory and sends a byte to each connection after each event.
Nothing else is said: the journal has the events. A connection that ends means that the worker is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

FILE = "events.sock"
_BACKLOG = 64


def listen(directory: Path) -> socket.socket:
    """A listening socket in the run's directory; whoever connects before the worker accepts has to wait."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _short_path(directory) as path:
            Path(path).unlink(missing_ok=True)
            listener.bind(path)
        listener.listen(_BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


class Waker:
    """The worker's side: accepts in a thread of its own, wakes from any thread."""

    def __init__(self, listener: socket.socket) -> None:
        """Takes the socket over; it is open until the process ends."""
        self._listener = listener
        self._listener.setblocking(True)
        self._lock = threading.Lock()
        self._connections: list[socket.socket] = []
        threading.Thread(target=self._accept, name="wakes", daemon=True).start()

    def wake(self) -> None:
        """Tells every follower that there is something to read."""
        with self._lock:
            self._connections = [connection for connection in self._connections if _send(connection)]

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            connection.setblocking(False)
            with self._lock:
                # An event may have come between the follower's last look and this line.
                if _send(connection):
                    self._connections.append(connection)


@contextlib.asynccontextmanager
async def follow(directory: Path) -> AsyncIterator[asyncio.StreamReader | None]:
    """A stream whose bytes are wake-ups and whose end is the worker's; None where no worker listens."""
    with _short_path(directory) as path:
        try:
            reader, writer = await asyncio.open_unix_connection(path)
        except OSError:
            reader, writer = None, None
    try:
        yield reader
    finally:
        if writer is not None:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def woken(wakes: asyncio.StreamReader) -> bool:
    """Waits for a wake-up; False = the worker is gone."""
    try:
        return bool(await wakes.read(4096))
    except ConnectionError:
        # It was killed with the connection still waiting to be accepted.
        return False


def _send(connection: socket.socket) -> bool:
    try:
        connection.send(b".")
    except BlockingIOError:
        pass  # It has wake-ups that it did not read yet.
    except OSError:
        connection.close()
        return False
    return True


@contextlib.contextmanager
def _short_path(directory: Path) -> Iterator[str]:
    """The socket's path by way of the directory's descriptor: a socket's name has 107 bytes at most."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{FILE}"
    finally:
        os.close(descriptor)
