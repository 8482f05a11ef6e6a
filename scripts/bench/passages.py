"""Text for benchmarks: real passages where the shared collections are, else made ones."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

from rerankd.benchmarking.workload import made_texts

SHARED = Path(__file__).parents[2].parent / "shared" / "data"


def passages(count: int, collection: str = "liveqa-med") -> tuple[list[str], str]:
    """Passages and where they are from, always the same ones."""
    path = SHARED / collection / "corpus.jsonl.gz"
    if path.exists():
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            texts = [json.loads(line)["text"][:400] for line, _ in zip(lines, range(count), strict=False)]
        random.Random(0).shuffle(texts)
        return texts, f"{collection}, first 400 characters"
    return made_texts(count), "made, as long as passages of MS MARCO"
