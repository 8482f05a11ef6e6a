"""What every benchmark of this folder leaves behind: figures, and what they were measured with."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import rerankd
from rerankd.benchmarking.fit import percentile
from rerankd.benchmarking.machine import cpu_model
from rerankd.benchmarking.report import rounded

RESULTS = Path(__file__).parent / "results"
_PACKAGES = ("grpcio", "numpy", "protobuf", "tokenizers")


def write(name: str, arguments: argparse.Namespace, figures: Mapping[str, Any], **more: Any) -> None:
    """Writes `results/<name>.json`; a quick run goes to `<name>.quick.json`, which git does not keep."""
    import onnxruntime

    quick = getattr(arguments, "quick", False)
    content = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": cpu(),
        "versions": {
            "python": platform.python_version(),
            "rerankd": rerankd.__version__,
            "onnxruntime": onnxruntime.__version__,
            **{package: version(package) for package in _PACKAGES},
        },
        # Of a folder the name: where it lies on this machine is nobody's business.
        "arguments": {
            key: value.name if isinstance(value, Path) else value for key, value in vars(arguments).items()
        },
        **more,
        "figures": figures,
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}{'.quick' if quick else ''}.json"
    path.write_text(json.dumps(rounded(content), indent=1) + "\n", encoding="utf-8")


def cpu() -> dict[str, Any]:
    """Model and number of the cores."""
    return {"model": cpu_model(), "cores": os.cpu_count()}


def median_ratio(numerators: Sequence[float], denominators: Sequence[float]) -> float:
    """Median over rounds of the ratio inside each round: what moves slowly in the machine cancels out."""
    return statistics.median(a / b for a, b in zip(numerators, denominators, strict=True))


def quantiles(seconds: Sequence[float]) -> dict[str, float]:
    """p50, p95, p99 and the worst, in milliseconds."""
    at = {f"p{q}_ms": 1000 * percentile(seconds, q / 100) for q in (50, 95, 99)}
    return {**at, "worst_ms": 1000 * max(seconds), "calls": len(seconds)}
