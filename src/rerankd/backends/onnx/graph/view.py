"""A parsed graph as rewrites look at it: who makes a tensor, who reads it, what is constant."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rerankd.backends.onnx.external_data import EXTERNAL, read_external
from rerankd.backends.onnx.graph.ranks import tensor_ranks
from rerankd.backends.onnx.graph_file import graphs

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

FLOAT = 1
UINT8 = 2
INT8 = 3
INT64 = 7
"""`TensorProto.DataType` numbers."""

_NUMPY: dict[int, str] = {1: "<f4", 2: "u1", 3: "i1", 6: "<i4", 7: "<i8", 9: "?", 10: "<f2", 11: "<f8"}
_TYPED_FIELDS = {1: "float_data", 7: "int64_data", 11: "double_data"}
_CONTRIBUTED = frozenset({"MatMulIntegerToFloat"})
"""Operators of ONNX Runtime's own domain that rewrites insert."""
_FLOAT_ATTRIBUTE, _INT_ATTRIBUTE, _INTS_ATTRIBUTE = 1, 2, 7
"""`AttributeProto.AttributeType` numbers."""

Array = npt.NDArray[Any]


class NotApplicableError(Exception):
    """The graph has no place for a rewrite; the message says what was looked for."""


class GraphView:
    """The main graph of a model, indexed; `insert` and `replace_nodes` change it.

    Attributes:
        nodes: In the order of the file, which ONNX wants to be topological.
        folder: Where external weights lie.
    """

    def __init__(self, model: ModelProto, folder: Path) -> None:
        self.model = model
        self.folder = folder
        self.graph = model.graph
        self.nodes: list[NodeProto] = list(model.graph.node)
        self.opset = max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=0)
        self.stored: dict[str, TensorProto] = {tensor.name: tensor for tensor in model.graph.initializer}
        self.maker = {name: number for number, node in enumerate(self.nodes) for name in node.output if name}
        self.readers: dict[str, list[int]] = defaultdict(list)
        for number, node in enumerate(self.nodes):
            for name in node.input:
                self.readers[name].append(number)
        self.ranks, self.lengths = tensor_ranks(self)
        self.pinned = self._pinned()
        self._before: dict[int, list[NodeProto]] = defaultdict(list)
        self._names = {*self.stored, *self.maker}

    def made_by(self, name: str) -> NodeProto | None:
        """The node that a tensor comes out of; None for inputs and stored tensors."""
        number = self.maker.get(name)
        return None if number is None else self.nodes[number]

    def constant(self, name: str) -> TensorProto | None:
        """A stored tensor, or the one in a Constant node."""
        if name in self.stored:
            return self.stored[name]
        node = self.made_by(name)
        if node is None or node.op_type != "Constant":
            return None
        return next((item.t for item in node.attribute if item.name == "value"), None)

    def integers(self, name: str) -> list[int] | None:
        """A small constant of integers, flat; None where it is not one."""
        tensor = self.constant(name)
        if tensor is not None:
            small = int(np.prod(tensor.dims, dtype=np.int64)) <= 16 and tensor.data_type in (6, INT64)
            return [int(value) for value in self.values(tensor).reshape(-1)] if small else None
        node = self.made_by(name)
        if node is None or node.op_type != "Constant":
            return None
        value = attribute(node, "value_ints", attribute(node, "value_int"))
        return [value] if isinstance(value, int) else value

    def values(self, tensor: TensorProto) -> Array:
        """What a stored tensor holds.

        Raises:
            NotApplicableError: It is of a type that rewrites do not read.
        """
        if tensor.data_type not in _NUMPY:
            raise NotApplicableError(f"tensor {tensor.name} has element type {tensor.data_type}")
        kind = np.dtype(_NUMPY[tensor.data_type])
        if tensor.data_location == EXTERNAL:
            flat = np.frombuffer(read_external(tensor, self.folder), dtype=kind)
        elif tensor.HasField("raw_data"):
            flat = np.frombuffer(tensor.raw_data, dtype=kind)
        else:
            flat = np.array(getattr(tensor, _TYPED_FIELDS.get(tensor.data_type, "int32_data")), dtype=kind)
        return flat.reshape(tuple(tensor.dims))

    def store(self, name: str, values: Array) -> str:
        """Adds a stored tensor; gives its name."""
        name = self.fresh(name)
        tensor = self.graph.initializer.add()
        tensor.name = name
        tensor.dims.extend(values.shape)
        tensor.data_type = next(number for number, kind in _NUMPY.items() if np.dtype(kind) == values.dtype)
        tensor.raw_data = np.ascontiguousarray(values).tobytes()
        self.stored[name] = tensor
        return name

    def fresh(self, name: str) -> str:
        """A name that no tensor has."""
        while name in self._names:
            name += "_"
        self._names.add(name)
        return name

    def insert(
        self,
        before: int,
        kind: str,
        inputs: Sequence[str],
        output: str,
        attributes_of: NodeProto | None = None,
        **attributes: int | float | list[int],
    ) -> str:
        """Puts a node in front of another one; gives the name of its output."""
        node = type(self.nodes[0])(op_type=kind, name=f"{output}/{kind}", input=list(inputs), output=[output])
        if kind in _CONTRIBUTED:
            node.domain = "com.microsoft"
        if attributes_of is not None:
            node.attribute.extend(attributes_of.attribute)
        for name, value in attributes.items():
            _set(node.attribute.add(), name, value)
        self._before[before].append(node)
        return output

    def bypass(self, number: int, source: str) -> None:
        """Lets all who read the output of a node read another tensor; the node itself is still to drop."""
        output = self.nodes[number].output[0]
        for reader in self.readers[output]:
            inputs = self.nodes[reader].input
            inputs[:] = [source if name == output else name for name in inputs]

    def replace_nodes(self, dropped: frozenset[int] = frozenset()) -> None:
        """Writes the nodes back: inserted ones in their places, dropped ones and unread weights left out."""
        ordered: list[NodeProto] = []
        for number, node in enumerate(self.nodes):
            ordered += self._before[number]
            if number not in dropped:
                ordered.append(node)
        kept = [type(node).FromString(node.SerializeToString()) for node in ordered]
        del self.graph.node[:]
        self.graph.node.extend(kept)
        # What exporters note about shapes between nodes is no longer true.
        del self.graph.value_info[:]
        self._drop_unread()

    def need_domain(self, domain: str) -> None:
        """Declares a domain of operators."""
        if all(opset.domain != domain for opset in self.model.opset_import):
            self.model.opset_import.add(domain=domain, version=1)

    def _drop_unread(self) -> None:
        """Nodes and weights that served what is no longer there."""
        read = set(self.pinned)
        for number in reversed(range(len(self.graph.node))):
            node = self.graph.node[number]
            if read.isdisjoint(node.output):
                del self.graph.node[number]
            else:
                read.update(node.input)
        kept = [tensor for tensor in self.graph.initializer if tensor.name in read]
        if len(kept) < len(self.graph.initializer):
            kept = [type(tensor).FromString(tensor.SerializeToString()) for tensor in kept]
            del self.graph.initializer[:]
            self.graph.initializer.extend(kept)

    def _pinned(self) -> frozenset[str]:
        """Tensors that are read from outside the list of nodes: results, and what branches capture."""
        names = {value.name for value in self.graph.output}
        for graph in graphs(self.model):
            if graph is not self.graph:
                names.update(name for node in graph.node for name in node.input)
        return frozenset(names)


def attribute(node: NodeProto, name: str, default: Any = None) -> Any:
    """Value of an integer, list, float or text attribute."""
    for item in node.attribute:
        if item.name == name:
            if item.type == _FLOAT_ATTRIBUTE:
                return item.f
            if item.type == _INTS_ATTRIBUTE:
                return list(item.ints)
            return item.i if item.type == _INT_ATTRIBUTE else item.s
    return default


def _set(item: Any, name: str, value: int | float | list[int]) -> None:
    item.name = name
    if isinstance(value, list):
        item.type = _INTS_ATTRIBUTE
        item.ints.extend(value)
    elif isinstance(value, float):
        item.type = _FLOAT_ATTRIBUTE
        item.f = value
    else:
        item.type = _INT_ATTRIBUTE
        item.i = value
