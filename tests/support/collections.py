"""Real collections, which lie beside the checkout where there are any: BEIR folders in `shared/data`."""

from __future__ import annotations

from pathlib import Path

import pytest


def collection(name: str) -> Path:
    """The folder of a collection; skips the test where it is not here."""
    for parent in Path(__file__).parents:
        folder = parent / "shared" / "data" / name
        if folder.is_dir():
            return folder
    pytest.skip(f"needs the collection shared/data/{name} beside the checkout")
