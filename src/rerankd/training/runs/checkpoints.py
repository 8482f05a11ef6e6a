"""Which checkpoint a run goes on from."""

from __future__ import annotations

import json
import re
from pathlib import Path

_NAME = re.compile(r"checkpoint-(\d+)")
_LAST_WRITTEN = "trainer_state.json"


def last_checkpoint(directory: Path) -> Path | None:
    """The newest checkpoint that was written to its end; None where there is none."""
    found = []
    for path in directory.glob("checkpoint-*"):
        match = _NAME.fullmatch(path.name)
        if match and _step_of(path) == int(match[1]):
            found.append((int(match[1]), path))
    return max(found)[1] if found else None


def _step_of(path: Path) -> int:
    try:
        return int(json.loads((path / _LAST_WRITTEN).read_bytes())["global_step"])
    except (OSError, ValueError, KeyError, TypeError):
        return -1
