"""Pairs of many kinds, and the ranges that a graph's tensors have on them.

No model's own data is at hand when it is loaded. What ranges depend on most are the special tokens and
the first positions, which every text has; the texts only have to be unlike each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from rerankd.backends.onnx.graph.int8 import Range
from rerankd.backends.onnx.pairs import Feed

if TYPE_CHECKING:
    from onnx import ModelProto
    from onnxruntime import InferenceSession

_PASSAGES = (
    "Photosynthesis is the process by which green plants turn light, water and carbon dioxide into sugar. "
    "It takes place in the chloroplasts, which hold chlorophyll.",
    "High blood pressure is treated with diuretics, ACE inhibitors, beta blockers and calcium channel "
    "blockers. Salt should be reduced, and half an hour of walking a day lowers it by about 5 mmHg.",
    "To undo the last commit but keep its changes, run `git reset --soft HEAD~1`; with --hard they are lost.",
    "The slipstream of a propeller raises the lift of the wing behind it. Measurements at Mach 0.3 to 0.7 "
    "agree with thin-airfoil theory to within 4 per cent, except near the stall.",
    "Mice that lack the receptor gained less weight than controls (p < 0.01, n = 24), which suggests that "
    "the pathway regulates glucose uptake in muscle rather than in the liver.",
    "SELECT name, COUNT(*) FROM orders WHERE price > 9.99 GROUP BY name ORDER BY 2 DESC LIMIT 10;",
    "The treaty was signed on 3 May 1815 in a small hotel. Its nineteen articles divided the duchy among "
    "three crowns and left the tolls of the river to a commission.",
    "Refunds take five working days. If you have not got yours after ten, write to support@example.org with "
    "the number of the order, e.g. #A-20391, and a picture of the receipt.",
    "Der Fluss entspringt in den Alpen und m\u00fcndet nach 1230 Kilometern in die Nordsee; im Mittelalter "
    "war er eine wichtige Handelsstra\u00dfe.",
    "La recette demande deux \u0153ufs, une pinc\u00e9e de sel et 250 g de farine; laissez reposer la "
    "p\u00e2te une heure avant de l'\u00e9taler.",
    "\u5149\u5408\u4f5c\u7528\u662f\u7eff\u8272\u690d\u7269\u5229\u7528\u5149\u80fd\u5236\u9020\u98df\u7269\u7684"
    "\u8fc7\u7a0b\u3002\u6c34\u548c\u4e8c\u6c27\u5316\u78b3\u53d8\u6210\u7cd6\u3002",
    "\u0420\u0435\u043a\u0430 \u0431\u0435\u0440\u0451\u0442 \u043d\u0430\u0447\u0430\u043b\u043e \u0432 "
    "\u0433\u043e\u0440\u0430\u0445 \u0438 \u0432\u043f\u0430\u0434\u0430\u0435\u0442 "
    "\u0432 \u043c\u043e\u0440\u0435.",
    "yes",
    "def area(r):\n    return 3.14159 * r ** 2  # in square metres\n\nassert round(area(2)) == 13",
    "She closed the door, waited until the steps had died away, and opened the letter again. It was not "
    "signed. \u201cCome to the harbour at nine,\u201d it said; \u201cbring nobody.\u201d",
    "Passengers with hand luggage only may go straight to security. Gates close 20 minutes before departure.",
    "https://www.example.com/docs/api/v2/index.html?lang=en&page=17#section-4.2",
    "An engine of 1.4 litres and 92 kW drives the front wheels; the manual names SAE 5W-30 oil.",
    "Interest on the loan is fixed for ten years at 3.1 per cent; paying it back earlier costs a fee.",
    "Water boils at 100 \u00b0C at sea level and at about 93 \u00b0C at 2,000 metres.",
)
_QUERIES = (
    "how do plants make food",
    "what lowers blood pressure",
    "undo a git commit",
    "effect of the slipstream on lift",
    "where does the river begin",
    "refund has not arrived",
    "Wie lange ruht der Teig?",
    "receptor knockout mice gain less weight than wild type animals on a high fat diet",
)


def sample_pairs() -> list[tuple[str, str]]:
    """Every query with some passages: short ones, ones that answer it, and long runs of several."""
    count = len(_PASSAGES)
    pairs = [
        (query, _PASSAGES[(number * 5 + step * 3) % count])
        for number, query in enumerate(_QUERIES)
        for step in range(5)
    ]
    runs = [
        " ".join((_PASSAGES + _PASSAGES)[start : start + length])
        for start, length in ((0, 6), (7, 12), (3, 20))
    ]
    return (
        pairs
        + list(zip(_QUERIES[1::2], runs, strict=False))
        + [(_QUERIES[0], _PASSAGES[0]), (_QUERIES[0], "")]
    )


def check_pairs() -> list[tuple[str, str]]:
    """Other combinations of the same texts, and a cut one: to compare two graphs with."""
    count = len(_PASSAGES)
    pairs = [
        (query, _PASSAGES[(number * 5 + step * 7 + 1) % count])
        for number, query in enumerate(_QUERIES)
        for step in range(3)
    ]
    return [*pairs, (_QUERIES[1], " ".join(_PASSAGES[4:9])), (_QUERIES[2], _PASSAGES[2][:40])]


def with_outputs(model: ModelProto, names: Sequence[str]) -> bytes:
    """The graph with inner tensors among its results."""
    watched = type(model)()
    watched.CopyFrom(model)
    for name in names:
        value = watched.graph.output.add(name=name)
        value.type.tensor_type.elem_type = 1
    content: bytes = watched.SerializeToString()
    return content


def observe(session: InferenceSession, names: Sequence[str], feeds: Sequence[Feed]) -> Mapping[str, Range]:
    """Runs the feeds, each a pair by itself so that no padding is seen, and gives the ranges."""
    lowest: dict[str, np.ndarray] = {}
    highest: dict[str, np.ndarray] = {}
    for feed in feeds:
        for name, values in zip(names, session.run(list(names), feed), strict=True):
            rows = np.asarray(values, dtype=np.float32).reshape(-1, values.shape[-1])
            lowest[name] = np.minimum(lowest.get(name, np.inf), rows.min(axis=0))
            highest[name] = np.maximum(highest.get(name, -np.inf), rows.max(axis=0))
    return {name: Range(lowest=lowest[name], highest=highest[name]) for name in names}


def largest(session: InferenceSession, names: Sequence[str], feeds: Sequence[Feed]) -> float:
    """The largest absolute value that any of these tensors has on the feeds."""
    return max(
        (
            float(np.abs(values).max(initial=0.0))
            for feed in feeds
            for values in session.run(list(names), feed)
        ),
        default=0.0,
    )
