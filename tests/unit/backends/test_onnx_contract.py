"""Graphs that cannot be served are refused with what was found and what is needed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from support.onnx_models import build_model, edit_graph, model_files

from rerankd.backends.onnx import OnnxSettings, load
from rerankd.backends.onnx.contract import check_graph, check_vocabulary
from rerankd.backends.onnx.graph_file import read_graph
from rerankd.core.errors import ModelFailedError

Change = Callable[[onnx.ModelProto], None]


def refusal(directory: Path, **config: object) -> str:
    """The message of a failed load, after a check that it shows no path."""
    with pytest.raises(ModelFailedError) as caught:
        load(model_files(directory, **config), OnnxSettings(threads=1), lambda *_: None)
    assert str(directory) not in caught.value.message
    assert "/" not in caught.value.message
    return caught.value.message


def rename_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].name = "tokens"
    for node in model.graph.node:
        for number, name in enumerate(node.input):
            if name == "input_ids":
                node.input[number] = "tokens"


def add_input(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, [1, 3]))


def float_mask(model: onnx.ModelProto) -> None:
    model.graph.input[1].type.tensor_type.elem_type = TensorProto.FLOAT


def three_axes(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim.add().dim_param = "more"


def integer_output(model: onnx.ModelProto) -> None:
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64


def four_axes_output(model: onnx.ModelProto) -> None:
    model.graph.output[0].type.tensor_type.shape.dim.add().dim_param = "more"
    model.graph.output[0].type.tensor_type.shape.dim.add().dim_param = "yet more"


def custom_operator(model: onnx.ModelProto) -> None:
    model.graph.node[0].domain = "ai.onnx.contrib"


def hidden_custom_operator(model: onnx.ModelProto) -> None:
    inside = helper.make_graph(
        [helper.make_node("Run", [], ["result"], domain="evil")],
        "inside",
        [],
        [helper.make_tensor_value_info("result", TensorProto.FLOAT, [])],
    )
    model.graph.node.append(
        helper.make_node("If", ["input_ids"], ["out"], then_branch=inside, else_branch=inside)
    )


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (rename_input, "wants input tokens"),
        (add_input, "wants input pixel_values"),
        (float_mask, "attention_mask has element type 1; int64"),
        (three_axes, "input_ids has 3 axes"),
        (integer_output, "logits has element type 7"),
        (four_axes_output, "output has 4 axes"),
        (custom_operator, "domain 'ai.onnx.contrib', which needs a custom operator library"),
        (hidden_custom_operator, "operator Run of domain 'evil'"),
    ],
)
def test_graphs_that_are_no_cross_encoder(tmp_path: Path, change: Change, expected: str) -> None:
    directory = build_model(tmp_path / "model")
    edit_graph(directory, change)
    assert expected in refusal(directory)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"head": "none"}, "without a classifier head"),
        ({"head": "embedding"}, "16 values for each pair"),
        ({"head": "three_classes"}, "3 values for each pair"),
        ({"head": "sigmoid"}, "ends in Sigmoid"),
        ({"fixed_batch": 1}, "fixed batch of 1"),
        ({"fixed_sequence": 128}, "fixed sequence of 128"),
        ({"attention_mask": False}, "does not respect attention_mask"),
        ({"constant": True}, "to every pair"),
    ],
)
def test_models_that_are_no_cross_encoder(tmp_path: Path, options: dict, expected: str) -> None:
    assert expected in refusal(build_model(tmp_path / "model", **options))


def test_an_undeclared_output_is_refused_when_it_runs(tmp_path: Path) -> None:
    directory = build_model(tmp_path / "model", head="none")
    edit_graph(directory, lambda model: model.graph.output[0].type.tensor_type.ClearField("shape"))
    assert "(2, 1), (2, 2) or (2,) is needed" in refusal(directory)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "no nodes"),
        (b"not a model at all", "not an ONNX model"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer"),
    ],
)
def test_files_that_are_no_graph(tmp_path: Path, content: bytes, expected: str) -> None:
    directory = build_model(tmp_path / "model")
    model_files(directory).graph.write_bytes(content)
    assert expected in refusal(directory)


def test_a_missing_graph_is_refused(tmp_path: Path) -> None:
    directory = build_model(tmp_path / "model")
    model_files(directory).graph.unlink()
    assert "cannot be read" in refusal(directory)


def test_a_graph_that_the_runtime_refuses(tmp_path: Path) -> None:
    directory = build_model(tmp_path / "model")

    def break_it(model: onnx.ModelProto) -> None:
        model.graph.node[0].op_type = "NoSuchOperator"

    edit_graph(directory, break_it)
    assert "ONNX Runtime cannot load the graph" in refusal(directory)


def test_functions_that_the_model_brings_are_allowed(tmp_path: Path) -> None:
    directory = build_model(tmp_path / "model")

    def wrap_identity(model: onnx.ModelProto) -> None:
        opset = [helper.make_opsetid("", 17)]
        body = [helper.make_node("Identity", ["x"], ["y"])]
        model.functions.append(helper.make_function("pkg.torch", "Same", ["x"], ["y"], body, opset))
        model.opset_import.append(helper.make_opsetid("pkg.torch", 1))
        last = model.graph.node[-1]
        last.op_type, last.domain = "Same", "pkg.torch"

    edit_graph(directory, wrap_identity)
    load(model_files(directory), OnnxSettings(threads=1), lambda *_: None).close()


def locate(location: str, **numbers: int) -> Change:
    def change(model: onnx.ModelProto) -> None:
        entries = model.graph.initializer[0].external_data
        values = {"location": location, **{key: str(number) for key, number in numbers.items()}}
        for entry in entries:
            entry.value = values.get(entry.key, entry.value)

    return change


@pytest.mark.parametrize(
    "location", ["../secret", "/etc/passwd", "a/b", "..", "", "..\\secret", "C:\\secret", "a\x00b"]
)
def test_weights_outside_the_folder_are_refused(tmp_path: Path, location: str) -> None:
    directory = build_model(tmp_path / "model", external_data=True)
    (tmp_path / "model" / "secret").write_bytes(b"0" * 100_000)
    edit_graph(directory, locate(location))
    assert "outside its own folder" in refusal(directory)


def test_missing_weights_are_refused(tmp_path: Path) -> None:
    directory = build_model(tmp_path / "model", external_data=True)
    edit_graph(directory, locate("other.onnx_data"))
    assert "other.onnx_data is missing" in refusal(directory)


def test_weights_cut_short_are_refused(tmp_path: Path) -> None:
    directory = build_model(tmp_path / "model", external_data=True)
    weights = model_files(directory).graph.parent / "model.onnx_data"
    weights.write_bytes(weights.read_bytes()[:1000])
    assert "has 1000 bytes" in refusal(directory)


def test_silly_offsets_are_refused(tmp_path: Path) -> None:
    directory = build_model(tmp_path / "model", external_data=True)
    edit_graph(directory, locate("model.onnx_data", offset=-5))
    assert "silly offset" in refusal(directory)


def test_weights_may_be_links_as_in_the_hub_cache(tmp_path: Path) -> None:
    original = build_model(tmp_path / "model", external_data=True)
    linked = tmp_path / "linked"
    for number, path in enumerate(sorted(path for path in original.rglob("*") if path.is_file())):
        blob = tmp_path / f"blob{number}"
        blob.write_bytes(path.read_bytes())
        link = linked / path.relative_to(original)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(blob)
    load(model_files(linked), OnnxSettings(threads=1), lambda *_: None).close()


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    directory = build_model(tmp_path / "model")
    other = build_model(tmp_path / "other", architecture="modernbert")
    (directory / "tokenizer.json").write_bytes((other / "tokenizer.json").read_bytes())
    assert "does not belong to this graph" in refusal(directory)


def test_quantized_embeddings_show_their_rows(tmp_path: Path) -> None:
    directory = build_model(tmp_path / "model")

    def quantize(model: onnx.ModelProto) -> None:
        table = model.graph.initializer[0]
        gather = next(node for node in model.graph.node if "input_ids" in node.input)
        rows, width = table.dims
        table.CopyFrom(helper.make_tensor(table.name, TensorProto.INT8, [rows, width], [1] * (rows * width)))
        scale = helper.make_tensor("scale", TensorProto.FLOAT, [], [0.1])
        model.graph.initializer.append(scale)
        model.graph.node.insert(0, helper.make_node("DequantizeLinear", [table.name, "scale"], ["table"]))
        gather.input[0] = "table"

    rows = check_graph(read_graph(model_files(directory).graph), directory / "onnx").embedding_rows
    edit_graph(directory, quantize)
    contract = check_graph(read_graph(model_files(directory).graph), directory / "onnx")
    assert contract.embedding_rows == rows
    assert rows is not None
    check_vocabulary(contract, rows)
    with pytest.raises(ModelFailedError, match=f"knows {rows + 1} tokens"):
        check_vocabulary(contract, rows + 1)


@pytest.mark.parametrize(
    ("options", "arithmetic"), [({}, "fp32"), ({"precision": "fp16"}, "fp16")], ids=["fp32", "fp16"]
)
def test_the_arithmetic_is_told(tmp_path: Path, options: dict, arithmetic: str) -> None:
    directory = build_model(tmp_path / "model", **options)
    contract = check_graph(read_graph(model_files(directory).graph), directory / "onnx")
    assert contract.arithmetic == arithmetic


def test_dynamic_quantization_counts_as_int8(tmp_path: Path) -> None:
    directory = build_model(tmp_path / "model")
    extra = helper.make_node("DynamicQuantizeLinear", ["x"], ["y", "scale", "zero"])
    edit_graph(directory, lambda model: model.graph.node.append(extra))
    contract = check_graph(read_graph(model_files(directory).graph), directory / "onnx")
    assert contract.arithmetic == "int8"


def test_inputs_are_those_of_the_graph(tmp_path: Path) -> None:
    directory = build_model(tmp_path / "model", token_type_ids=False, position_ids=True, int32_inputs=True)
    contract = check_graph(read_graph(model_files(directory).graph), directory / "onnx")
    assert contract.inputs == dict.fromkeys(("input_ids", "attention_mask", "position_ids"), np.int32)
