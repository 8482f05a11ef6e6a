"""Small ONNX files that ask for a lot of memory: refused by their description, before a runtime sees them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from support.onnx_models import build_model, edit_graph, model_files

from rerankd.backends.onnx import OnnxSettings, load
from rerankd.backends.onnx.bounds import LARGEST_ELEMENTS, check_bounds
from rerankd.backends.onnx.contract import check_graph
from rerankd.backends.onnx.graph_file import read_graph
from rerankd.core.errors import ModelFailedError

HUGE = 1 << 40
Change = Callable[[onnx.ModelProto], None]


def stored(model: onnx.ModelProto, name: str, values: object) -> str:
    model.graph.initializer.append(numpy_helper.from_array(np.array(values, dtype=np.int64), name))
    return name


def first(model: onnx.ModelProto, *nodes: onnx.NodeProto) -> None:
    """Puts nodes before all others, and adds what they make to the logits, so that nothing is unused."""
    rest = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *rest])


def node(kind: str, inputs: list[str], output: str = "bomb", **attributes: object) -> onnx.NodeProto:
    return helper.make_node(kind, inputs, [output], **attributes)


def claims_a_shape(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].dims[0] = HUGE


def claims_a_shape_in_external_data(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "model.onnx"), ("offset", "0"), ("length", "64")):
        tensor.external_data.add(key=key, value=value)
    tensor.dims[0] = HUGE


def claims_a_negative_shape(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].dims[0] = -1


def claims_many_axes(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].dims.extend([1] * 1000)


def constant_of_shape(model: onnx.ModelProto) -> None:
    first(model, node("ConstantOfShape", [stored(model, "shape", [HUGE])]))


def constant_of_computed_shape(model: onnx.ModelProto) -> None:
    # No number in the file is large.
    side = stored(model, "side", [1 << 15])
    first(
        model,
        node("Mul", [side, side], "square"),
        node("Cast", ["square"], "cast", to=TensorProto.INT64),
        node("Concat", ["cast", side], "shape", axis=0),
        node("ConstantOfShape", ["shape"]),
    )


def expands(model: onnx.ModelProto) -> None:
    first(model, node("Expand", [stored(model, "one", [1]), stored(model, "shape", [1 << 20, 1 << 20])]))


def tiles_again_and_again(model: onnx.ModelProto) -> None:
    value = stored(model, "one", [1])
    repeats = stored(model, "repeats", [1 << 10])
    names = [value, *(f"tile{n}" for n in range(6))]
    first(model, *(node("Tile", [a, repeats], b) for a, b in itertools.pairwise(names)))


def broadcasts(model: onnx.ModelProto) -> None:
    zeros = np.zeros(1 << 15, dtype=np.int64)
    row, column = stored(model, "row", zeros.reshape(1, -1)), stored(model, "column", zeros.reshape(-1, 1))
    first(model, node("Add", [row, column]))


def multiplies(model: onnx.ModelProto) -> None:
    zeros = np.zeros(1 << 15, dtype=np.int64)
    row, column = stored(model, "row", zeros.reshape(1, -1)), stored(model, "column", zeros.reshape(-1, 1))
    first(model, node("MatMul", [column, row]))


def ranges(model: onnx.ModelProto) -> None:
    bounds = [stored(model, "begin", 0), stored(model, "end", HUGE), stored(model, "step", 1)]
    first(model, node("Range", bounds))


def pads(model: onnx.ModelProto) -> None:
    first(model, node("Pad", [stored(model, "one", [1]), stored(model, "pads", [HUGE, 0])]))


def one_hot(model: onnx.ModelProto) -> None:
    inputs = [stored(model, "index", [1]), stored(model, "depth", HUGE), stored(model, "pair", [0, 1])]
    first(model, node("OneHot", inputs))


def random_normal(model: onnx.ModelProto) -> None:
    first(model, node("RandomNormal", [], shape=[1 << 20, 1 << 20]))


def sparse(model: onnx.ModelProto) -> None:
    values = numpy_helper.from_array(np.ones(1, dtype=np.float32), "sparse")
    indices = numpy_helper.from_array(np.zeros(1, dtype=np.int64), "indices")
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [HUGE]))


def inside_of_a_branch(model: onnx.ModelProto) -> None:
    shape = stored(model, "shape", [HUGE])
    made = helper.make_tensor_value_info("made", TensorProto.FLOAT, [None])
    branch = helper.make_graph([node("ConstantOfShape", [shape], "made")], "branch", [], [made])
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    first(model, node("If", ["yes"], then_branch=branch, else_branch=branch))


def inside_of_a_function(model: onnx.ModelProto) -> None:
    shape = helper.make_tensor("value", TensorProto.INT64, [1], [HUGE])
    body = [node("Constant", [], "shape", value=shape), node("ConstantOfShape", ["shape"], "out")]
    opset = [helper.make_opsetid("", 17)]
    model.functions.append(helper.make_function("own", "Bomb", [], ["out"], body, opset))


def nested_deep(model: onnx.ModelProto) -> None:
    out = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    graph = helper.make_graph([node("RandomNormal", [], "x", shape=[1])], "innermost", [], [out])
    for _ in range(12):
        graph = helper.make_graph([node("If", ["yes"], "x", then_branch=graph)], "outer", [], [out])
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    first(model, node("If", ["yes"], then_branch=graph))


BOMBS = (
    *(claims_a_shape, claims_a_shape_in_external_data, claims_a_negative_shape, claims_many_axes),
    *(constant_of_shape, constant_of_computed_shape, expands, tiles_again_and_again, broadcasts),
    *(multiplies, ranges, pads, one_hot, random_normal, sparse, inside_of_a_branch),
    *(inside_of_a_function, nested_deep),
)


@pytest.mark.parametrize("bomb", BOMBS, ids=lambda bomb: bomb.__name__)
def test_what_a_file_cannot_need_is_refused_unopened(tmp_path: Path, bomb: Change) -> None:
    build_model(tmp_path)
    edit_graph(tmp_path, bomb)
    graph = model_files(tmp_path).graph
    # No runtime is part of this: it reads the description only.
    with pytest.raises(ModelFailedError) as caught:
        check_graph(read_graph(graph), graph.parent)
    assert any(word in caught.value.message for word in ("claims", "values", "shape", "nests"))
    assert str(tmp_path) not in caught.value.message


def test_the_loader_asks_first(tmp_path: Path) -> None:
    build_model(tmp_path)
    edit_graph(tmp_path, constant_of_shape)
    with pytest.raises(ModelFailedError, match=f"{LARGEST_ELEMENTS} are the most"):
        load(model_files(tmp_path), OnnxSettings(), lambda *_: None)


def test_a_graph_that_exhausts_the_parser_is_no_model(tmp_path: Path) -> None:
    build_model(tmp_path)

    def very_deep(model: onnx.ModelProto) -> None:
        out = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
        graph = helper.make_graph([], "innermost", [], [out])
        for _ in range(28):
            graph = helper.make_graph([node("If", ["yes"], "x", then_branch=graph)], "outer", [], [out])
        first(model, node("If", ["yes"], then_branch=graph))

    edit_graph(tmp_path, very_deep)
    graph = model_files(tmp_path).graph
    content = graph.read_bytes()
    # By hand, because the library refuses to write so deep a message.
    wrapped = content
    for _ in range(5000):
        wrapped = b"\x3a" + _varint(len(wrapped)) + wrapped
    graph.write_bytes(wrapped)
    with pytest.raises(ModelFailedError):
        check_graph(read_graph(graph), graph.parent)


def _varint(value: int) -> bytes:
    parts = []
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


@pytest.mark.parametrize("architecture", ["bert", "roberta", "modernbert"])
def test_models_are_no_bombs(tmp_path: Path, architecture: str) -> None:
    build_model(tmp_path, architecture)
    check_bounds(read_graph(model_files(tmp_path).graph))


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20), st.binary(max_size=64))
def test_any_claim_is_judged(dims: list[int], content: bytes) -> None:
    tensor = TensorProto(name="t", data_type=TensorProto.FLOAT, dims=dims, raw_data=content)
    graph = helper.make_graph([node("Identity", ["t"], "logits")], "g", [], [], [tensor])
    model = helper.make_model(graph)
    honest = len(dims) <= 16 and all(size >= 0 for size in dims) and 4 * math.prod(dims) <= len(content)
    if honest:
        check_bounds(model)
    else:
        with pytest.raises(ModelFailedError):
            check_bounds(model)
