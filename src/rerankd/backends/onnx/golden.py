"""Proof that a freshly loaded model gives the scores that it should."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rerankd.backends.base import Float32Array
from rerankd.core.errors import ModelFailedError

GOLDEN_FILE = "golden_pairs.json"
"""Optional, beside tokenizer.json: `{"tolerance": 1e-4, "pairs": [{"query", "document", "logit"}]}`."""

_LARGEST_FILE = 1 << 20
_DEFAULT_TOLERANCE = 1e-4

Scorer = Callable[[str, Sequence[str]], Float32Array]
"""Logits of a query's documents, computed in one padded batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """How far two computations of one logit may be apart."""

    absolute: float
    relative: float

    def allows(self, got: float, wanted: float) -> bool:
        """Whether the two count as the same."""
        return abs(got - wanted) <= self.absolute + self.relative * abs(wanted)


TOLERANCES = {
    "fp64": Tolerance(absolute=1e-5, relative=1e-5),
    "fp32": Tolerance(absolute=1e-5, relative=1e-5),
    # Half precision carries 11 bits; a dozen layers of rounding show in the third digit.
    "fp16": Tolerance(absolute=2e-2, relative=1e-2),
    "bf16": Tolerance(absolute=1e-1, relative=5e-2),
    # Where a stored graph scales activations by the largest value of the whole batch, neighbours matter.
    "int8": Tolerance(absolute=0.3, relative=0.1),
}
"""By the precision of the arithmetic."""

NEIGHBOURS_INT8 = Tolerance(absolute=1e-3, relative=1e-3)
"""For int8 products whose scales know no batch. Float rounding before them is all that neighbours can
change, usually below 1e-5; where it tips a value over to the next level, a little more."""

_QUERY = "how do plants make food"
_DOCUMENTS = (
    "Photosynthesis is the process by which green plants turn light, water and carbon dioxide into sugar.",
    "The committee met on Tuesday.",
    "",
    "Planten maken voedsel; \u690d\u7269\u901a\u8fc7\u5149\u5408\u4f5c\u7528. \U0001f331",
    "Leaves are green. " * 12,
)


def check_scores(score: Scorer, tolerance: Tolerance) -> None:
    """Proves on a handful of pairs that scores are numbers, differ, and ignore their neighbours.

    Raises:
        ModelFailedError: They do not.
    """
    together = score(_QUERY, _DOCUMENTS)
    if not np.isfinite(together).all():
        raise ModelFailedError("the model gives scores that are not finite for plain sentences")
    alone = [float(score(_QUERY, [document])[0]) for document in _DOCUMENTS]
    for in_batch, by_itself in zip(together.tolist(), alone, strict=True):
        if not tolerance.allows(in_batch, by_itself):
            raise ModelFailedError(
                f"a pair scores {by_itself:.6g} alone and {in_batch:.6g} in a padded batch; "
                f"{tolerance.absolute:g} is allowed: the graph does not respect attention_mask"
            )
    if len(set(alone)) == 1:
        raise ModelFailedError(
            f"the model gives {alone[0]:.6g} to every pair: its weights or its tokenizer do not fit"
        )


def check_golden_pairs(
    path: Path, score: Scorer, tolerance: Tolerance, fits: Callable[[str, str], bool] = lambda *_: True
) -> int:
    """Compares with the scores that the model's author wrote down; gives how many were compared.

    The file's tolerance holds unless the arithmetic is coarser. A pair that does not fit into a limit which
    the operator lowered has another score here, and is left out.

    Raises:
        ModelFailedError: A score is off, or the file is not readable.
    """
    if not path.is_file():
        return 0
    pairs, stated = _read(path)
    allowed = Tolerance(absolute=max(stated, tolerance.absolute), relative=tolerance.relative)
    compared = 0
    for number, (query, document, wanted) in enumerate(pairs):
        if not fits(query, document):
            continue
        compared += 1
        got = float(score(query, [document])[0])
        if not allowed.allows(got, wanted):
            raise ModelFailedError(
                f"golden pair {number} scores {got:.6g} where its file says {wanted:.6g}; "
                f"{allowed.absolute:g} is allowed: the files do not belong together, or the arithmetic "
                "of this machine is wrong"
            )
    return compared


def _read(path: Path) -> tuple[list[tuple[str, str, float]], float]:
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise ValueError(f"it is larger than {_LARGEST_FILE} bytes")
        content = json.loads(path.read_bytes())
        tolerance = float(content.get("tolerance", _DEFAULT_TOLERANCE))
        pairs = [(str(row["query"]), str(row["document"]), float(row["logit"])) for row in content["pairs"]]
        if not math.isfinite(tolerance) or not all(math.isfinite(logit) for _, _, logit in pairs):
            raise ValueError("it holds a number that is not finite")
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelFailedError(f"{GOLDEN_FILE} is not valid: {type(error).__name__}") from error
    return pairs, tolerance
