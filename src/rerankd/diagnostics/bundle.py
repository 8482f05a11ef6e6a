"""The debug bundle: one archive that says what runs, how it is set, what it does and what it logged."""

from __future__ import annotations

import io
import json
import os
import platform
import re
import sys
import tarfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import distributions

import rerankd
from rerankd.config import Config, show
from rerankd.core.engine import Engine
from rerankd.diagnostics.stacks import task_stacks, thread_stacks
from rerankd.messages.json_messages import object_from
from rerankd.messages.status import server_status
from rerankd.telemetry.logs import recent
from rerankd.telemetry.metrics import Metrics

FOLDER = "rerankd-debug"

# Whoever writes a password into an address has told it to everybody who reads the address.
_USERINFO = re.compile(r"(?<=://)[^/@\s\"']+(?=@)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundler:
    """Makes bundles of one process."""

    config: Config
    engine: Engine
    metrics: Metrics
    offered: Sequence[str]
    """Names of the models that the operator configured."""
    started: float = field(default_factory=time.time)

    def live(self) -> dict[str, str]:
        """File to text, of what has to be read on the event loop, at once."""
        return {
            "status.json": _json(self._status()),
            "metrics.txt": self.metrics.render("")[0].decode(),
            "threads.txt": thread_stacks(),
            "tasks.txt": task_stacks(),
        }

    def archive(self, live: Mapping[str, str]) -> bytes:
        """The archive, a .tar.gz; takes some tenths of a second and can run in any thread."""
        files = {
            "about.json": _json(self._about()),
            "packages.txt": "".join(f"{line}\n" for line in sorted(_packages())),
            "config.json": _json(
                [{"key": key, "value": value, "source": source} for key, value, source in show(self.config)]
            ),
            **live,
            "log.jsonl": "".join(f"{line}\n" for line in recent.lines()),
        }
        return _packed({name: _USERINFO.sub("***", text) for name, text in files.items()})

    def _status(self) -> object:
        engine, uptime = self.engine, time.time() - self.started
        status = server_status(engine.registry, engine.limits, offered=self.offered, uptime_seconds=uptime)
        return object_from(status)

    def _about(self) -> dict[str, object]:
        return {
            "rerankd": rerankd.__version__,
            "python": sys.version,
            "platform": platform.platform(),
            "machine": platform.machine(),
            "cores": os.cpu_count(),
            "pid": os.getpid(),
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "uptime_seconds": round(time.time() - self.started),
        }


def _packages() -> set[str]:
    return {f"{package.name}=={package.version}" for package in distributions()}


def _json(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def _packed(files: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in files.items():
            content = text.encode("utf-8", "backslashreplace")
            entry = tarfile.TarInfo(f"{FOLDER}/{name}")
            entry.size, entry.mtime, entry.mode = len(content), int(time.time()), 0o600
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
