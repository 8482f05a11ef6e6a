"""A model that scores wrongly is not served."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support.onnx_models import NAN_WORD, build_model, model_files

from rerankd.backends.base import EncodeOptions
from rerankd.backends.onnx import OnnxSettings, load
from rerankd.backends.onnx.golden import GOLDEN_FILE, TOLERANCES, check_scores
from rerankd.core.errors import ModelFailedError

PAIRS = [
    ("how do plants make food", "from light"),
    ("river", ""),
    ("what is the river", "the plant is green"),
]


def load_it(directory: Path):
    return load(model_files(directory), OnnxSettings(threads=1), lambda *_: None)


def scored(directory: Path, pairs_to_score: list[tuple[str, str]] = PAIRS) -> list[dict[str, object]]:
    backend = load_it(directory)
    rows = []
    for query, document in pairs_to_score:
        (pairs,) = backend.encode_documents(backend.encode_query(query), [document], EncodeOptions())
        rows.append({"query": query, "document": document, "logit": float(backend.score(pairs, 0)[0])})
    return rows


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return build_model(tmp_path / "model")


def write(directory: Path, content: object) -> None:
    (directory / GOLDEN_FILE).write_text(content if isinstance(content, str) else json.dumps(content))


def test_golden_pairs_are_compared(directory: Path) -> None:
    told: list[str] = []
    write(directory, {"tolerance": 1e-5, "pairs": scored(directory)})
    load(model_files(directory), OnnxSettings(threads=1), lambda *event: told.append(event[2]))
    assert told[-1] == "3 golden pairs as written"


def test_a_wrong_golden_pair_fails_the_load(directory: Path) -> None:
    rows = scored(directory)
    rows[1]["logit"] = float(str(rows[1]["logit"])) + 0.01
    write(directory, {"tolerance": 1e-3, "pairs": rows})
    with pytest.raises(ModelFailedError, match=r"golden pair 1 scores .* 0\.001 is allowed"):
        load_it(directory)
    write(directory, {"tolerance": 0.1, "pairs": rows})
    load_it(directory)


def test_pairs_beyond_a_lowered_limit_are_left_out(directory: Path) -> None:
    told: list[str] = []
    rows = scored(directory, [*PAIRS, ("river", "plants and light " * 40), ("the river " * 20, "food")])
    write(directory, {"tolerance": 1e-5, "pairs": rows})
    assert load_it(directory)
    settings = OnnxSettings(threads=1, max_tokens=48)

    load(model_files(directory), settings, lambda *event: told.append(event[2]))

    assert told[-1] == "3 golden pairs as written"
    rows[0]["logit"] = 77.0
    write(directory, {"tolerance": 1e-5, "pairs": rows})
    with pytest.raises(ModelFailedError, match="golden pair 0"):
        load(model_files(directory), settings, lambda *_: None)


def test_other_weights_fail_the_load(directory: Path, tmp_path: Path) -> None:
    other = build_model(tmp_path / "other", seed=8)
    write(other, {"pairs": scored(directory)})
    with pytest.raises(ModelFailedError, match="golden pair 0"):
        load_it(other)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        {"tolerance": 1},
        {"pairs": [{"query": "a"}]},
        {"pairs": [{"query": "a", "document": "b", "logit": "much"}]},
        '{"pairs": [{"query": "a", "document": "b", "logit": NaN}]}',
        '{"tolerance": Infinity, "pairs": []}',
        {"pairs": [], "padding": "x" * (1 << 20)},
    ],
)
def test_a_broken_golden_file_fails_the_load(directory: Path, content: object) -> None:
    write(directory, content)
    with pytest.raises(ModelFailedError, match=GOLDEN_FILE):
        load_it(directory)


def test_scores_that_are_not_finite_for_plain_text_fail() -> None:
    with pytest.raises(ModelFailedError, match="not finite"):
        check_scores(lambda _, documents: np.full(len(documents), np.nan, np.float32), TOLERANCES["fp32"])


def test_a_document_that_gives_nan_does_not_fail_the_load(directory: Path) -> None:
    backend = load_it(directory)
    pairs = backend.encode_documents(backend.encode_query("a"), ["plants", NAN_WORD, "food"], EncodeOptions())
    scores = backend.score([pair for windows in pairs for pair in windows], 0)
    assert np.isnan(scores).tolist() == [False, True, False]
