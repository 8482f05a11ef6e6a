"""What figures were measured on, without the host's name or a path: reports are meant to be shown around."""

from __future__ import annotations

import contextlib
import os
import platform
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import rerankd

_PACKAGES = ("grpcio", "numpy", "onnxruntime-gpu", "onnxruntime", "tokenizers")
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A host and what runs on it."""

    cpu: str
    cores: int
    """That this process may use."""
    memory_mib: int
    """Of the whole host; 0 = the system does not tell."""
    system: str
    architecture: str
    versions: dict[str, str] = field(default_factory=dict)


def this_machine() -> Machine:
    """The host of this process."""
    from rerankd.backends.onnx.devices import available_cores

    return Machine(
        cpu=cpu_model(),
        cores=available_cores(),
        memory_mib=_memory_mib(),
        system=platform.system(),
        architecture=platform.machine(),
        versions={"rerankd": rerankd.__version__, "python": platform.python_version(), **_versions()},
    )


def cpu_model() -> str:
    """What the processor calls itself; empty where the system does not tell."""
    with contextlib.suppress(OSError), Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor()


def available_memory_mib() -> int | None:
    """Memory that can be taken without harm to others; None where the system does not tell."""
    with contextlib.suppress(OSError, ValueError), Path("/proc/meminfo").open(encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) // 1024
    return None


def _memory_mib() -> int:
    with contextlib.suppress(OSError, ValueError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // _MIB
    return 0


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found
