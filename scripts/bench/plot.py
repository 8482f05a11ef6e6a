"""Draws `docs/pictures/peers.png` from `results/peers.json`: our pairs per second beside each peer's.

matplotlib is no dependency of this project; `all` runs this in a throw-away environment that has it.

    PYTHON scripts/bench/plot.py [RESULTS.json PICTURE.png]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt

RESULTS = Path(__file__).parent / "results"
PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
OURS, THEIRS, INK = "#1f4e79", "#b8bec6", "#1a1a1a"


def bars(figures: dict[str, Any]) -> list[tuple[str, float, bool]]:
    """Label, pairs per second, whether it is ours; each peer by default and with its best batch."""
    found = [(name, speed, True) for name, speed in figures["ours_pairs_per_second"].items()]
    by_peer: dict[str, list[dict[str, Any]]] = {}
    for row in figures["peers"]:
        by_peer.setdefault(row["peer"], []).append(row)
    # Speeds of different rounds do not compare: a peer's bar is ours divided by the ratio beside it.
    ours = figures["ours_pairs_per_second"]["rerankd served"]
    for peer, rows in by_peer.items():
        default = next(row for row in rows if row["batch"] == "default")
        found.append((f"{peer}, default batch", ours / default["served_ratio"], False))
        best = min(rows, key=lambda row: row["served_ratio"])
        if best is not default:
            found.append((f"{peer}, batch {best['batch']} (its best)", ours / best["served_ratio"], False))
    return sorted(found, key=lambda bar: bar[1])


def draw(content: dict[str, Any], target: Path) -> None:
    mpl.rcParams.update({"text.color": INK, "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK})
    found = bars(content["figures"])
    figure, axes = plt.subplots(figsize=(8, 0.4 * len(found) + 1.2), layout="constrained")
    drawn = axes.barh([label for label, _, _ in found], [speed for _, speed, _ in found], height=0.7)
    for bar, (_, _, own) in zip(drawn, found, strict=True):
        bar.set_color(OURS if own else THEIRS)
    axes.bar_label(drawn, fmt="%.0f", padding=4)
    axes.spines[["top", "right", "bottom", "left"]].set_visible(False)
    axes.tick_params(length=0)
    axes.set_xticks([])
    pairs, cores = content["arguments"]["pairs"], content["cpu"]["cores"]
    figure.suptitle(
        f"Pairs per second, {cores} CPU cores\nsame weights (6 layers x 384, fp32), same {pairs} pairs",
        x=0.01,
        ha="left",
        fontsize=10,
    )
    figure.savefig(target, dpi=150, facecolor="white")


def main() -> None:
    source, target = map(Path, sys.argv[1:3] or (RESULTS / "peers.json", PICTURES / "peers.png"))
    draw(json.loads(source.read_text(encoding="utf-8")), target)


if __name__ == "__main__":
    main()
