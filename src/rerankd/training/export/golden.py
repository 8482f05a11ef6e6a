"""golden_pairs.json: scores that whoever loads the model can check it by.

The pairs are the same for all models and say nothing about what a model was trained on: they go wherever the
model goes, the texts of users must not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from rerankd.backends.onnx.graph.calibration import check_pairs, sample_pairs

TOLERANCE = 1e-4
"""Processors differ in the sixth digit; a wrong weight or token shows in the first three."""

_AWKWARD = (
    ("capital of france", "Paris is the capital and largest city of France."),
    ("how do plants make food", ""),
    ("emoji \U0001f331", "a \x00 control \u200d character \U0001f600 and [SEP] in the text"),
    ("side effects of aspirin", "Aspirin may cause stomach pain, heartburn, nausea and bleeding. " * 9),
)
_COUNT = 16


def golden_pairs(
    score: Callable[[str, Sequence[str]], npt.NDArray[np.float64]],
) -> bytes:
    """The file's content; `score` gives the logits of a query's documents."""
    others = [*check_pairs(), *sample_pairs()]
    pairs = [*_AWKWARD, *others[:: max(1, len(others) // (_COUNT - len(_AWKWARD)))]][:_COUNT]
    rows = [
        {"query": query, "document": document, "logit": round(float(score(query, [document])[0]), 6)}
        for query, document in pairs
    ]
    return (json.dumps({"tolerance": TOLERANCE, "pairs": rows}, indent=2) + "\n").encode()
