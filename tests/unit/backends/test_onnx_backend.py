"""The loaded backend as the core sees it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.onnx_models import build_model, edit_graph, model_files

from rerankd.backends.base import EncodeOptions
from rerankd.backends.onnx import OnnxSettings, load, warm_shapes
from rerankd.backends.onnx.failures import short_cause
from rerankd.backends.onnx.pairs import WholePair
from rerankd.core.errors import BackendFailedError, ModelFailedError
from rerankd.core.types import WarmupStage


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_model(tmp_path_factory.mktemp("models") / "model")


def test_stages_are_reported_in_order(directory: Path) -> None:
    events: list[tuple[WarmupStage, float]] = []
    load(model_files(directory), OnnxSettings(threads=1), lambda stage, part, _: events.append((stage, part)))
    stages = (WarmupStage.VERIFY, WarmupStage.SESSION, WarmupStage.SHAPES, WarmupStage.GOLDEN)
    assert events == [(stage, part) for stage in stages for part in (0.0, 1.0)]


def test_the_description_says_whose_model_it_is(directory: Path) -> None:
    description = load(model_files(directory), OnnxSettings(threads=1), lambda *_: None).description
    assert description.id == "test/model"
    assert description.revision == "0" * 40
    assert (description.backend, description.precision, description.license) == ("onnx", "fp32", "Apache-2.0")
    assert not description.supports_instruction


def test_a_failure_of_the_runtime_says_what_and_how_many(directory: Path) -> None:
    loaded = load(model_files(directory), OnnxSettings(threads=1), lambda *_: None)
    beyond = WholePair(
        ids=np.array([10**6], dtype=np.int32),
        types=np.zeros(1, dtype=np.int32),
        dropped_tokens=0,
        start_char=0,
        end_char=0,
    )
    with pytest.raises(BackendFailedError, match=r"a batch of 2 pairs: .*out of data bounds") as caught:
        loaded.score([beyond, beyond], 0)
    assert caught.value.__cause__ is not None
    assert "/" not in caught.value.message
    (pairs,) = loaded.encode_documents(loaded.encode_query("a"), ["b"], EncodeOptions())
    assert np.isfinite(loaded.score(pairs, 0)).all()


def test_no_pairs_have_no_scores(directory: Path) -> None:
    loaded = load(model_files(directory), OnnxSettings(threads=1), lambda *_: None)
    assert loaded.score([], 0).shape == (0,)
    assert loaded.encode_documents(loaded.encode_query("a"), [], EncodeOptions()) == []


def test_a_graph_that_fails_when_it_runs_fails_the_load(tmp_path: Path) -> None:
    directory = build_model(tmp_path / "model")
    too_many_rows = {"max_position_embeddings": 4096}

    def shrink(model) -> None:
        table = model.graph.initializer[0]
        rows, width = 3, table.dims[1]
        table.raw_data = table.raw_data[: rows * width * 4]
        table.dims[0] = rows
        # The check of the vocabulary follows only the way from input_ids itself.
        gather = next(node for node in model.graph.node if "input_ids" in node.input)
        gather.input[1] = "shifted"
        model.graph.node.insert(0, _node("Add", ["input_ids", "input_ids"], "shifted"))

    edit_graph(directory, shrink)
    with pytest.raises(ModelFailedError, match="the model failed on a batch"):
        load(model_files(directory, **too_many_rows), OnnxSettings(threads=1), lambda *_: None)


def _node(kind: str, inputs: list[str], output: str):
    from onnx import helper

    return helper.make_node(kind, inputs, [output])


def test_shapes_stop_when_their_time_is_up(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm_shapes, "_CPU_SHAPES_SECONDS", -1.0)
    details: list[str] = []
    load(model_files(directory), OnnxSettings(threads=1), lambda *event: details.append(event[2]))
    assert "0 shapes on each of 1 lanes" in details


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            "[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Non-zero status code. Name:'/m/Gather' "
            "Status Message: indices out of bounds",
            "indices out of bounds",
        ),
        (
            "[ONNXRuntimeError] : 1 : FAIL : Load model from /a/b c.onnx failed:bad",
            "Load model from c.onnx failed:bad",
        ),
        (
            "/onnxruntime_src/core/arena.cc:376 void* Alloc()\n\n  out of\tmemory",
            "void* Alloc() out of memory",
        ),
        ("", "RuntimeError"),
        ("x" * 1000, "x" * 240),
    ],
)
def test_causes_are_short_and_without_paths(message: str, expected: str) -> None:
    assert short_cause(RuntimeError(message)) == expected
