"""Graphs stored in 16 bits compute in 32 on a CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from support.onnx_models import build_model, edit_graph, model_files

from rerankd.backends.base import EncodeOptions
from rerankd.backends.onnx import OnnxSettings, Provider, load, widen
from rerankd.backends.onnx.graph_file import read_graph, tensors


def logits(directory: Path) -> np.ndarray:
    backend = load(model_files(directory), OnnxSettings(threads=1, provider=Provider.CPU), lambda *_: None)
    assert backend.description.precision == "fp32"
    texts = ["plants make food", "the river", "x" * 50]
    pairs = backend.encode_documents(backend.encode_query("what is a plant"), texts, EncodeOptions())
    return backend.score([pair for windows in pairs for pair in windows], 0)


def to_bfloat16(model: onnx.ModelProto) -> None:
    """Halves of float16 tensors as bfloat16, a type that no CPU kernel takes."""
    for tensor in tensors(model):
        if tensor.data_type == TensorProto.FLOAT16:
            values = np.frombuffer(tensor.raw_data, dtype="<f2").astype("<f4")
            tensor.raw_data = (values.view("<u4") >> 16).astype("<u2").tobytes()
            tensor.data_type = TensorProto.BFLOAT16
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name == "to" and attribute.i == TensorProto.FLOAT16:
                attribute.i = TensorProto.BFLOAT16
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.BFLOAT16


@pytest.mark.parametrize("external", [False, True], ids=["inside", "external"])
def test_half_precision_scores_almost_like_full(tmp_path: Path, external: bool) -> None:
    full = logits(build_model(tmp_path / "full"))
    half = logits(build_model(tmp_path / "half", precision="fp16", external_data=external))
    np.testing.assert_allclose(half, full, atol=0.02)
    assert not np.array_equal(half, full)


def test_bfloat16_is_widened_too(tmp_path: Path) -> None:
    directory = build_model(tmp_path / "brain", precision="fp16")
    edit_graph(directory, to_bfloat16)
    np.testing.assert_allclose(logits(directory), logits(build_model(tmp_path / "full")), atol=0.2)


def test_halves_in_the_integer_field_are_read(tmp_path: Path) -> None:
    values = [1.0, -2.5, 65504.0]
    directory = build_model(tmp_path / "model")
    edit_graph(
        directory,
        lambda model: model.graph.initializer.append(
            helper.make_tensor("extra", TensorProto.FLOAT16, [3], values)
        ),
    )
    model = read_graph(model_files(directory).graph)
    assert widen.stores_halves(model)
    wide = widen.widened(model, directory)
    assert wide is not None
    extra = onnx.load_from_string(wide).graph.initializer[-1]
    assert extra.data_type == TensorProto.FLOAT
    assert np.frombuffer(extra.raw_data, dtype="<f4").tolist() == values


def test_a_graph_that_would_grow_too_large_is_left_to_the_runtime(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = build_model(tmp_path / "half", precision="fp16")
    monkeypatch.setattr(widen, "LARGEST_MESSAGE", 1000)
    backend = load(model_files(directory), OnnxSettings(threads=1, provider=Provider.CPU), lambda *_: None)
    assert backend.description.precision == "fp16, fp32 weights"


def test_a_full_precision_graph_has_no_halves(tmp_path: Path) -> None:
    directory = build_model(tmp_path / "model")
    assert not widen.stores_halves(read_graph(model_files(directory).graph))
