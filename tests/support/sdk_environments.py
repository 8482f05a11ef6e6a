"""The environments of SDKs, for tests; `scripts/sdk_environments` makes them."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@functools.cache
def _made(name: str) -> tuple[str, str]:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "sdk_environments", name],
        capture_output=True,
        text=True,
        check=False,
    )
    return (done.stdout.strip(), "") if done.returncode == 0 else ("", done.stderr.strip())


def python_of(name: str) -> Path:
    """The interpreter of an SDK's environment; skips the test where it cannot be made.

    With CI=true that is a failure.
    """
    python, why = _made(name)
    if python:
        return Path(python)
    message = f"no environment for {name}: {why.splitlines()[-1]}"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{message}; with CI=true no SDK goes untested", pytrace=False)
    pytest.skip(message)
