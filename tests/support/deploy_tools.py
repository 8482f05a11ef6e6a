"""The programs that check deploy/; `scripts/deploy_tools` makes them."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@functools.cache
def _made() -> tuple[str, str]:
    if shutil.which("go") is None:
        return "", "Go is not installed"
    done = subprocess.run(
        [ROOT / "scripts" / "deploy_tools"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHON": sys.executable},
    )
    return (done.stdout.strip(), "") if done.returncode == 0 else ("", done.stderr.strip())


def tool(name: str) -> str:
    """The path of a program; skips the test where it cannot be made. With CI=true that is a failure."""
    folder, why = _made()
    if folder:
        return str(Path(folder) / name)
    message = f"no tools to check deploy/ with: {why.splitlines()[-1]}"
    if os.environ.get("CI") == "true":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """A program with all it said."""
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
