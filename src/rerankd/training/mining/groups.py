"""groups.jsonl: what training runs read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rerankd.training.types import TrainingGroup


def read_groups(path: Path) -> Iterator[TrainingGroup]:
    """The groups of a file; none where it does not exist.

    Raises:
        ValueError: A line is no group; names the line.
    """
    raise NotImplementedError
