"""From a checkpoint to the model in the package: calibrated, exported, with golden pairs and checksums."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import minimize

from rerankd.artifacts.checksums import SUMS_FILE, sha256_of
from rerankd.training.export import ModelFacts, export
from rerankd.training.export.parity import DevQuery
from rerankd.training.mining.groups import read_groups
from rerankd.training.modeling import SegmentGatedModel, load_base
from rerankd.training.types import TrainingGroup

NAME = "rerankd/mini-en"
_DEV_GROUPS = 400
_PARITY_GROUPS = 80
"""Each pair of them is computed four times."""
_CLASS_PRIOR = 0.5
"""Share of relevant pairs at which a score of 0.5 is to mean "as likely as not"."""


def logits_of(model: SegmentGatedModel, tokenizer: object, group: TrainingGroup) -> np.ndarray:
    """One logit for each document of a group."""
    texts = [document.text for document in group.documents]
    tokens = tokenizer(  # type: ignore[operator]
        [group.query] * len(texts),
        texts,
        padding=True,
        truncation="only_second",
        max_length=256,
        return_tensors="pt",
    )
    with torch.inference_mode():
        return model(**tokens).logits[:, 0].double().numpy()


def calibrate(
    model: SegmentGatedModel, tokenizer: object, groups: Sequence[TrainingGroup]
) -> tuple[float, float]:
    """Scales and shifts the logit so that its sigmoid is a probability (Platt 1999); order stays as it is."""
    logits = np.concatenate([logits_of(model, tokenizer, group) for group in groups])
    labels = np.array([document.label > 0 for group in groups for document in group.documents])
    weights = np.where(labels, _CLASS_PRIOR / labels.mean(), (1 - _CLASS_PRIOR) / (1 - labels.mean()))

    def loss(values: np.ndarray) -> float:
        margins = np.where(labels, 1, -1) * (values[0] * logits + values[1])
        return float((weights * np.logaddexp(0, -margins)).mean())

    scale, shift = minimize(loss, np.array([1.0, -float(np.median(logits))])).x
    with torch.no_grad():
        model.feature_weights *= scale
        model.head.weight *= scale
        model.head.bias.copy_(model.head.bias * scale + shift)
    return float(scale), float(shift)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--dev-groups", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--bundle", type=Path, help="directory in the package that is replaced")
    options = parser.parse_args()
    model, tokenizer = load_base(options.checkpoint)
    assert isinstance(model, SegmentGatedModel)
    model.eval()
    groups = list(read_groups(options.dev_groups))[:_DEV_GROUPS]
    scale, shift = calibrate(model, tokenizer, groups)
    print(f"calibrated: logit * {scale:.4f} + {shift:.4f}")
    dev = [
        DevQuery(
            query=group.query,
            texts=tuple(document.text for document in group.documents),
            labels=tuple(document.label for document in group.documents),
        )
        for group in groups[:_PARITY_GROUPS]
    ]
    report = export(model, tokenizer, options.out, facts=ModelFacts(id=NAME), dev=dev, max_tokens=256)
    print(report.as_record())
    if options.bundle is not None:
        place(options.out / "int8", options.bundle)


def place(exported: Path, bundle: Path) -> None:
    """Copies what is served, with its checksums; the card is written by `card.py`."""
    bundle.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(next(exported.glob("*.onnx")), bundle / "model.onnx")
    for name in ("tokenizer.json", "config.json", "golden_pairs.json"):
        shutil.copyfile(exported / name, bundle / name)
    names = ("model.onnx", "tokenizer.json", "config.json", "golden_pairs.json")
    sums = "".join(f"{sha256_of(bundle / name)}  {name}\n" for name in names)
    (bundle / SUMS_FILE).write_text(sums, encoding="utf-8")


if __name__ == "__main__":
    main()
