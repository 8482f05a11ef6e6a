"""Runs the blocks of a section one after the other in one shell, as a reader pastes them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from blocks import Block, bare, commands_of
from exceptions import BEFORE, INSTEAD, SERVES
from programs import OUTPUT, PROGRAMS, SHELLS, command_of

TIMEOUT_SECONDS = 600
_MARK = "\x1e"

_PRELUDE = """\
set -euo pipefail
server=
stop() { [[ -z $server ]] || { kill -TERM "$server"; wait "$server"; server=; }; }
trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What stands in for 50051 and 8080, which somebody else may use on the machine of the tests."""

    grpc: int
    http: int

    def put_into(self, text: str) -> str:
        return re.sub(r"\b8080\b", str(self.http), re.sub(r"\b50051\b", str(self.grpc), text))


@dataclass(frozen=True, slots=True)
class Ran:
    """A block and what it printed."""

    block: Block
    output: str


def run_section(
    root: Path, blocks: Sequence[Block], ports: Ports, environment: Mapping[str, str], folder: str = "."
) -> list[Ran]:
    """What each block that can be run has printed; fails with all that was said when a command fails."""
    steps = [(block, "\n".join(_steps(root, block, ports))) for block in blocks if block.language != OUTPUT]
    script = _PRELUDE + "".join(
        f"printf '%s' '{_MARK}'; printf '%s' '{_MARK}' >&2\n{step}\n" for _, step in steps
    )
    script += "stop\n"
    # In a session of its own, so that nothing of it is left when it fails.
    with subprocess.Popen(
        ["bash", "-c", script],
        cwd=root / folder,
        env={**os.environ, **environment, "CLONE": str(root)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    ) as shell:
        try:
            output, errors = shell.communicate(timeout=TIMEOUT_SECONDS)
        finally:
            if shell.poll() is None:
                os.killpg(shell.pid, signal.SIGKILL)
    outputs = output.split(_MARK)[1:]
    if shell.returncode:
        failed = steps[len(outputs) - 1][0]
        said = f"{outputs[-1]}\n{errors.split(_MARK)[-1]}"
        raise AssertionError(f"line {failed.line}, exit status {shell.returncode}:\n{failed.text}\n{said}")
    return [Ran(block, text) for (block, _), text in zip(steps, outputs, strict=True)]


def _steps(root: Path, block: Block, ports: Ports) -> Iterator[str]:
    text = ports.put_into(block.text)
    if block.language in PROGRAMS:
        yield _in_root(command_of(root, block, text))
        return
    assert block.language in SHELLS, (
        f"line {block.line}: nothing runs a block of {block.language or 'no language'}"
    )
    for command in commands_of(block.text):
        name = bare(command)
        if name in BEFORE:
            yield BEFORE[name]
        if name in INSTEAD:
            yield _in_root(INSTEAD[name].check)
        elif name in SERVES:
            yield "stop"
            yield f"{ports.put_into(name)} & server=$!"
            yield f".venv/bin/rerankd status --wait --server localhost:{ports.grpc} >&2"
        else:
            yield ports.put_into(command)


def _in_root(command: str) -> str:
    return f'(cd "$CLONE" && {command})'
