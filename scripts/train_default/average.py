"""The mean of the weights of several checkpoints, which stands in for a learning rate that falls to zero
(Izmailov et al. 2018)."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

WEIGHTS = "model.safetensors"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoints", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    loaded = [load_file(directory / WEIGHTS) for directory in options.checkpoints]
    mean = {
        name: torch.stack([weights[name].double() for weights in loaded]).mean(0).to(first.dtype)
        for name, first in loaded[0].items()
    }
    shutil.copytree(
        options.checkpoints[-1], options.out, ignore=shutil.ignore_patterns("*.pt", "*.pth", "*.bin")
    )
    save_file(mean, options.out / WEIGHTS, metadata={"format": "pt"})


if __name__ == "__main__":
    main()
