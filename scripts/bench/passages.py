"""Text for benchmarks: real passages where the shared collections are, else made ones."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

SHARED = Path(__file__).parents[2].parent / "shared" / "data"


def passages(count: int, collection: str = "liveqa-med") -> tuple[list[str], str]:
    """Passages and where they are from, always the same ones."""
    path = SHARED / collection / "corpus.jsonl.gz"
    if path.exists():
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            texts = [json.loads(line)["text"][:400] for line, _ in zip(lines, range(count), strict=False)]
        random.Random(0).shuffle(texts)
        return texts, f"{collection}, first 400 characters"
    return made(count), "made of a fixed vocabulary"


def made(count: int) -> list[str]:
    """Texts of 5 to 80 words of a fixed vocabulary."""
    rng = random.Random(0)
    words = [
        f"{a}{b}" for a in ("plant", "river", "stone", "light", "salt") for b in ("", "s", "ed", "ing", "ers")
    ]
    return [" ".join(rng.choices(words, k=rng.randint(5, 80))) for _ in range(count)]
