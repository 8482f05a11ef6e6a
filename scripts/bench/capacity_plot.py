"""Draws `results/capacity.svg` from `results/capacity.json`: how late calls get as replicas get busy.

.venv/bin/python scripts/bench/capacity_plot.py [RESULTS.json PICTURE.svg]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt

RESULTS = Path(__file__).parent / "results"
INK = "#1a1a1a"
BLUES = ("#9ecae1", "#6baed6", "#4292c6", "#2171b5", "#08306b")


def draw(figures: dict[str, Any], target: Path) -> None:
    # The same figures make the same file.
    mpl.rcParams.update({"text.color": INK, "svg.hashsalt": "capacity", "svg.fonttype": "none"})
    slowdown: dict[str, dict[str, float]] = figures["p95_over_alone_by_replicas_and_busy"]
    figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
    for (replicas, curve), colour in zip(slowdown.items(), BLUES, strict=True):
        busy = [100 * float(share) for share in curve]
        label = f"{replicas} replica{'s' if replicas != '1' else ''}"
        axes.plot(busy, list(curve.values()), color=colour, label=label)
    axes.set(ylim=(1, 8), xlim=(10, 90), xlabel="busy, %", ylabel="p95 over a call alone")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(target, facecolor="white", metadata={"Date": None})


def main() -> None:
    source, target = map(Path, sys.argv[1:3] or (RESULTS / "capacity.json", RESULTS / "capacity.svg"))
    draw(json.loads(source.read_text(encoding="utf-8"))["figures"], target)


if __name__ == "__main__":
    main()
