"""Servers in a process of their own that tell what they hold: memory, threads, sockets, tasks."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from support.servers import FAKE_MODEL_PROGRAM, ServerProcess

_TELL = """
import asyncio, gc, logging, signal, threading
from rerankd.app import Application

def _work_of(task):
    # Steps of an asynchronous generator are tasks without a name of their own.
    work = task.get_coro()
    return getattr(work, "__qualname__", type(work).__name__)

def _tell():
    # What is only waiting for the collector is no leak.
    gc.collect()
    logging.getLogger("inspection").warning("inspected", extra={
        "tasks": sorted(map(_work_of, asyncio.all_tasks())),
        "threads": sorted(thread.name for thread in threading.enumerate()),
    })

_serve = Application.serve

async def _serve_and_tell(self):
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, _tell)
    await _serve(self)

Application.serve = _serve_and_tell
"""
_SERVE = """
import json, sys
from rerankd.app import run
from rerankd.config import load
sys.exit(run(load(json.loads(sys.argv[1]))))
"""

PROGRAM = _TELL + _SERVE
"""The whole server, as `rerankd serve` runs it."""
FAKE_MODEL = _TELL + FAKE_MODEL_PROGRAM
"""The same on the tests' fake model, whose scores cost nothing."""

_POOLS = ("asyncio_", "tokenize_")
"""Threads that come one at a time, to a bound, and stay."""
_ACCEPTING = ("AioServer._request_",)
"""gRPC's tasks that wait for the next call of each method; they come and go with calls."""
_PATIENCE = 60
"""Looks at a server that has not settled yet; each is a round trip to its event loop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """What a server holds at a moment."""

    threads: tuple[str, ...]
    """Names, as Python knows them."""
    native_threads: int
    """All threads of the process, those of libraries included."""
    tasks: tuple[str, ...]
    """What each task of the event loop runs."""
    descriptors: int
    sockets: int

    def more_than(self, before: Holdings) -> list[str]:
        """What is held beyond what was held before, in words; nothing = nothing has leaked.

        Native threads do not count: pools of libraries grow to their size as they first work.
        """
        found = [f"thread {name}" for name in sorted(set(self.threads) - set(before.threads))]
        for name in ("tasks", "descriptors", "sockets"):
            now, then = (getattr(holdings, name) for holdings in (self, before))
            now, then = (value if isinstance(value, int) else len(value) for value in (now, then))
            if now > then:
                found.append(f"{now} {name}, {then} before")
        return found


class InspectedServer(ServerProcess):
    """A server that is asked for its holdings by SIGUSR1."""

    def __init__(self, flags: Mapping[str, object], *, program: str = PROGRAM) -> None:
        super().__init__(flags, program=program)
        self._asking = threading.Lock()

    def holdings(self) -> Holdings:
        """What it holds now."""
        with self._asking:
            self.send_signal(signal.SIGUSR1)
            told = self.wait_for("inspected")
        links = []
        for entry in Path(f"/proc/{self.pid}/fd").iterdir():
            try:
                links.append(os.readlink(entry))
            except FileNotFoundError:  # Closed between the listing and the look.
                continue
        return Holdings(
            threads=tuple(name for name in told["threads"] if not name.startswith(_POOLS)),
            native_threads=len(list(Path(f"/proc/{self.pid}/task").iterdir())),
            tasks=tuple(name for name in told["tasks"] if not name.startswith(_ACCEPTING)),
            descriptors=len(links),
            sockets=sum(link.startswith("socket:") for link in links),
        )

    def settles_to(self, before: Holdings) -> Holdings:
        """The holdings once they are no more than before; else those of the last of many looks."""
        now = self.holdings()
        for _ in range(_PATIENCE):
            if not now.more_than(before):
                break
            now = self.holdings()
        return now

    def rss_kib(self) -> int:
        """Resident set now."""
        return status_kib(self.pid, "VmRSS")


def status_kib(pid: int, field: str) -> int:
    """A figure of /proc/<pid>/status."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))
