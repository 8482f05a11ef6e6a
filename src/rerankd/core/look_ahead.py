"""How far a stream is read ahead of its scores."""

from __future__ import annotations

LEAST = 256
"""Documents ahead of the slowest model: a generation that is sorted and scored (128), a slice that is
being tokenized (64) and one that is being read. More is tokenized for nothing when the caller leaves."""

SECONDS = 0.05
"""Work ahead of a fast model, beyond the least: what reading, tokenizing and a busy event loop can take. At
50,000 pairs a second the least alone is gone in 5 ms."""

UNMEASURED = 512
"""Ahead of a model whose pace is not known."""


def look_ahead(documents_per_second: float, most: int) -> int:
    """Documents of a stream that may be read and not yet answered.

    Args:
        documents_per_second: What the model scores; 0 = not known.
        most: The operator's bound; at least 1.
    """
    wanted = LEAST + round(SECONDS * documents_per_second) if documents_per_second > 0 else UNMEASURED
    return min(wanted, most)
