"""The names of external data, against what the onnx package writes and reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from rerankd.artifacts.external_data import external_data_names


def tensor(name: str, location: str = "") -> onnx.TensorProto:
    value = numpy_helper.from_array(np.ones((4, 4), np.float32), name)
    if location:
        value.ClearField("raw_data")
        value.data_location = TensorProto.EXTERNAL
        for key, text in (("offset", "0"), ("location", location), ("length", "64")):
            entry = value.external_data.add()
            entry.key, entry.value = key, text
    return value


def model(*locations: str, constant: str = "", branch: str = "") -> bytes:
    """A graph with initializers, a constant and a branch that keep their values in files."""
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    if constant:
        nodes.append(helper.make_node("Constant", [], ["c"], value=tensor("c", constant)))
    if branch:
        inner = helper.make_graph([], "inner", [], [], [tensor("w", branch)])
        nodes.append(helper.make_node("If", ["x"], ["z"], then_branch=inner, else_branch=inner))
    graph = helper.make_graph(nodes, "g", [], [], [tensor(f"w{i}", loc) for i, loc in enumerate(locations)])
    return helper.make_model(graph).SerializeToString()


def names(tmp_path: Path, content: bytes) -> tuple[str, ...]:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    return external_data_names(path)


def test_every_place_that_can_hold_a_tensor_is_looked_at(tmp_path: Path) -> None:
    content = model("a.data", "", "b.data", "a.data", constant="c.data", branch="d.data")
    assert names(tmp_path, content) == ("c.data", "d.data", "a.data", "b.data")


def test_a_graph_without_external_data(tmp_path: Path) -> None:
    assert names(tmp_path, model("", "")) == ()


@pytest.mark.parametrize(
    "location",
    ["../secret", "/etc/passwd", "a/b", "..", ".", "./a", "a\\b", "C:x", "a\nb", "a\x00b", "a\u202eb"],
)
def test_data_elsewhere_are_refused(tmp_path: Path, location: str) -> None:
    with pytest.raises(ValueError, match="not a file beside it") as caught:
        names(tmp_path, model(location))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "Git LFS pointer"),
        (b"<html>not found</html>", "ONNX"),
        (b"\x08\x07", "holds no graph"),
        (model("a.data")[:-20], "cut off"),
        (b"\x08" + b"\xff" * 20, "not an ONNX file"),
    ],
)
def test_what_is_no_graph_is_told(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        names(tmp_path, content)


def test_graphs_in_graphs_end_somewhere(tmp_path: Path) -> None:
    inner = b""
    for _ in range(100):
        attribute = b"\x32" + _length(inner) + inner
        node = b"\x2a" + _length(attribute) + attribute
        inner = b"\x0a" + _length(node) + node
    with pytest.raises(ValueError, match="too deep"):
        names(tmp_path, b"\x3a" + _length(inner) + inner)


def _length(content: bytes) -> bytes:
    value, out = len(content), b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


@given(content=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.onnx"
    path.write_bytes(content)
    try:
        external_data_names(path)
    except ValueError as error:
        assert str(error)  # noqa: PT017
