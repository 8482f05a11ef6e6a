"""The shipped table of models is complete and consistent."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from rerankd.artifacts import ArtifactSettings, ArtifactStore
from rerankd.artifacts.layout import PRECISIONS
from rerankd.artifacts.presets import load_presets

PRESETS = load_presets()


def test_the_five_presets_are_there() -> None:
    assert {p.preset: p.id for p in PRESETS if p.preset} == {
        "default": "rerankd/mini-en",
        "fast": "cross-encoder/ms-marco-MiniLM-L6-v2",
        "balanced": "BAAI/bge-reranker-base",
        "quality": "BAAI/bge-reranker-large",
        "multilingual": "BAAI/bge-reranker-v2-m3",
    }


def test_every_entry_is_complete() -> None:
    for preset in PRESETS:
        assert preset.license in ("Apache-2.0", "MIT")
        assert 512 <= preset.max_tokens <= 8192
        assert preset.parameters > 1_000_000
        assert preset.languages
        assert preset.description.endswith(".")
        assert bool(preset.bundled) != bool(preset.repository)
        assert re.fullmatch(r"[0-9a-f]{40}|", preset.revision)
        assert set(preset.files) <= set(PRECISIONS)
        assert preset.files


def test_no_name_means_two_models() -> None:
    counts = Counter(name for preset in PRESETS for name in (preset.id, *preset.names))
    assert [name for name, count in counts.items() if count > 1] == []


def test_graphs_come_first_and_their_data_lie_beside_them() -> None:
    for preset in PRESETS:
        for graph, *data in preset.files.values():
            assert graph.endswith(".onnx")
            for path in data:
                assert Path(path).parent == Path(graph).parent


def test_the_listing_shows_every_preset() -> None:
    rows = ArtifactStore(ArtifactSettings(cache_dir=Path("/nonexistent/cache"))).listing()
    assert [row.id for row in rows] == [preset.id for preset in PRESETS]
    bundled, fast = rows[:2]
    assert (bundled.kind, bundled.available) == ("bundled", True)
    assert (fast.kind, fast.available, fast.size_bytes) == ("preset", False, 0)
    assert fast.names[0] == "fast"
    assert fast.revision == PRESETS[1].revision
