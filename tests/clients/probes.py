"""Running a language's probe, and reading what it says while it runs."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

TIMEOUT_SECONDS = 120.0


class Probe:
    """A probe under way; PROBES.md tells what each command prints."""

    def __init__(self, command: Sequence[str], *arguments: str) -> None:
        self._process = subprocess.Popen(
            [*command, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"LC_ALL": "C.UTF-8"},
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._errors: list[str] = []
        self._readers = [
            threading.Thread(target=self._read_lines, daemon=True),
            threading.Thread(target=self._read_errors, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        for reader in self._readers:
            reader.join()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            assert pipe is not None
            pipe.close()

    def wait_for(self, word: str, number: int) -> int:
        """Returns when the probe has said `word N` with N at least `number`; N."""
        while (line := self._next()) is not None:
            said, _, count = line.partition(" ")
            if said == word and int(count) >= number:
                return int(count)
        raise AssertionError(f"the probe ended before {word} {number}:\n{''.join(self._errors)}")

    def finish(self) -> dict[str, Any]:
        """Ends the probe's input and returns the JSON of its last line."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        last = ""
        while (line := self._next()) is not None:
            last = line
        assert self._process.wait(TIMEOUT_SECONDS) == 0, "".join(self._errors)
        answer: dict[str, Any] = json.loads(last)
        return answer

    def _next(self) -> str | None:
        return self._lines.get(timeout=TIMEOUT_SECONDS)

    def _read_lines(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._errors.append(line)
