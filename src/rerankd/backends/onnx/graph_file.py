"""Reads an ONNX file without running it, and walks what is in it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from rerankd.core.errors import ModelFailedError

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto

LARGEST_MESSAGE = (1 << 31) - 1
"""Bytes that protobuf parses; larger models keep their weights in external files."""

_LFS_POINTER = b"version https://git-lfs"


def read_graph(path: Path) -> ModelProto:
    """The parsed file; external weights stay where they are.

    Raises:
        ModelFailedError: It is missing, too large, or no ONNX model.
    """
    try:
        size = path.stat().st_size
        if size > LARGEST_MESSAGE:
            raise ModelFailedError(f"the graph file has {size} bytes; 2 GiB is the most that ONNX allows")
        content = path.read_bytes()
    except OSError as error:
        raise ModelFailedError("the graph file cannot be read") from error
    if content.startswith(_LFS_POINTER):
        raise ModelFailedError("the graph file is a Git LFS pointer, not the model: fetch the LFS objects")
    try:
        model: ModelProto = _messages().ModelProto.FromString(content)
    except Exception as error:  # The DecodeError of protobuf, a package that backends do not import.
        raise ModelFailedError("the graph file is not an ONNX model") from error
    if not model.graph.node or not model.opset_import:
        raise ModelFailedError("the graph file is not an ONNX model: it has no nodes or no opset")
    return model


def graphs(model: ModelProto) -> Iterator[GraphProto]:
    """The main graph and every graph inside a node (branches, loop bodies)."""
    waiting = [model.graph]
    while waiting:
        graph = waiting.pop()
        yield graph
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    waiting.append(attribute.g)
                waiting.extend(attribute.graphs)


def nodes(model: ModelProto) -> Iterator[NodeProto]:
    """Every node: of the graphs, and of the functions that the model brings."""
    for graph in graphs(model):
        yield from graph.node
    for function in model.functions:
        yield from function.node


def tensors(model: ModelProto) -> Iterator[TensorProto]:
    """Every stored tensor: weights and constants."""
    for graph in graphs(model):
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield sparse.values
            yield sparse.indices
    for node in nodes(model):
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            if attribute.HasField("sparse_tensor"):
                yield attribute.sparse_tensor.values
                yield attribute.sparse_tensor.indices


@cache
def _messages() -> ModuleType:
    """The generated messages of ONNX, without the rest of the package.

    `import onnx` takes up to 0.3 s, more than all else that a warm start with a small model does, for
    checkers and converters that only a first load needs. The messages are one generated file; should it
    move, the package is imported after all.
    """
    if "onnx" in sys.modules:
        return sys.modules["onnx"]
    package = importlib.util.find_spec("onnx")
    folders = package.submodule_search_locations if package is not None else None
    for folder in folders or ():
        spec = importlib.util.spec_from_file_location(
            "rerankd_onnx_messages", Path(folder) / "onnx_ml_pb2.py"
        )
        if spec is None or spec.loader is None or not (Path(folder) / "onnx_ml_pb2.py").is_file():
            continue
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    return importlib.import_module("onnx")
