"""Programs of others, written in Go, that tests point at the server: built once into the ignored .cache."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".cache" / "go-tools"

PINS = {
    "grpcurl": "github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3",
    "grpc-health-probe": "github.com/grpc-ecosystem/grpc-health-probe@v0.4.40",
    "ghz": "github.com/bojand/ghz/cmd/ghz@v0.120.0",
}


def program(name: str) -> Path:
    """The program; skips the test where it cannot be built. With CI=true that is a failure."""
    built = FOLDER / "bin" / name
    if built.exists():
        return built
    why = "go is not on the PATH"
    if shutil.which("go") is not None:
        done = subprocess.run(
            ["go", "install", PINS[name]],
            env={**os.environ, "GOBIN": str(built.parent)},
            capture_output=True,
            text=True,
            check=False,
        )
        if built.exists():
            return built
        why = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
    if os.environ.get("CI") == "true":
        pytest.fail(f"no {name}: {why}; with CI=true no tool goes untested", pytrace=False)
    pytest.skip(f"no {name}: {why}")
