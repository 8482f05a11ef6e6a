"""Writes golden_pairs.json beside the bundled model: pairs with the logits that it must give.

    python tests/golden/make_golden_pairs.py

Run it when the bundled model changes, look at the difference and renew SHA256SUMS: every load
compares with it.
"""

from __future__ import annotations

import json

from reference import BUNDLED, Reference

TARGET = BUNDLED / "golden_pairs.json"
TOLERANCE = 1e-4
"""Processors differ in the sixth digit; a wrong weight or token shows in the first three."""

PAIRS = [
    (
        "how do plants make food",
        "Photosynthesis turns light, water and carbon dioxide into sugar and oxygen.",
    ),
    ("how do plants make food", "The food hall on the second floor sells plants and flowers."),
    ("how do plants make food", ""),
    ("capital of france", "Paris is the capital and largest city of France."),
    ("capital of france", "Capital gains in France are taxed at a flat rate."),
    (
        "python list sort stability",
        "Sorts are guaranteed to be stable: equal keys keep their original order.",
    ),
    ("Wie funktioniert Photosynthese?", "Pflanzen wandeln Licht, Wasser und Kohlendioxid in Zucker um."),
    (
        "\u5149\u5408\u4f5c\u7528",
        "\u690d\u7269\u901a\u8fc7\u5149\u5408\u4f5c\u7528\u5236\u9020\u98df\u7269\u3002",
    ),
    ("emoji \U0001f331", "a \x00 control \u200d character \U0001f600 and [SEP] in the text"),
    (
        "side effects of aspirin",
        "Aspirin may cause stomach pain, heartburn, nausea and, rarely, bleeding. " * 9,
    ),
]


def main() -> None:
    reference = Reference()
    rows = [
        {"query": query, "document": document, "logit": round(reference.logit(query, document), 6)}
        for query, document in PAIRS
    ]
    TARGET.write_text(json.dumps({"tolerance": TOLERANCE, "pairs": rows}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
