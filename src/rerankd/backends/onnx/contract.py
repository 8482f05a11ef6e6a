"""What a graph must look like to be served as a cross-encoder, checked before it runs.

Every refusal says what was found and what is needed: the reader is an operator who has just named
a repository that nobody here has seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from rerankd.backends.onnx.bounds import check_bounds
from rerankd.backends.onnx.external_data import check_external_data
from rerankd.backends.onnx.graph_file import nodes, tensors
from rerankd.core.errors import ModelFailedError

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, ValueInfoProto

KNOWN_INPUTS = ("input_ids", "attention_mask", "token_type_ids", "position_ids")
ALLOWED_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
"""Operators that come with ONNX Runtime. Others need a library, that is, code from a stranger."""

_INTEGERS: Mapping[int, npt.DTypeLike] = {6: np.int32, 7: np.int64}
_FLOATS: Mapping[int, str] = {1: "fp32", 10: "fp16", 11: "fp64", 16: "bf16"}
"""`TensorProto.DataType` numbers."""

_INTEGER_ARITHMETIC = frozenset(
    {
        "DynamicQuantizeLinear",
        "DynamicQuantizeMatMul",
        "MatMulInteger",
        "MatMulIntegerToFloat",
        "MatMulNBits",
        "QAttention",
        "QGemm",
    }
)
"""Operators that round activations, so that scores are those of int8. QDQ pairs are not among
them: the session folds them into float weights."""

_PROBABILITIES = frozenset({"Sigmoid", "Softmax"})
_SHAPE_ONLY = frozenset({"Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"})


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphContract:
    """What the rest of the backend needs to know of an accepted graph."""

    inputs: Mapping[str, npt.DTypeLike]
    output: str
    arithmetic: str
    """Precision of the activations as stored: fp32, fp16, bf16 or int8."""
    embedding_rows: int | None
    """Token ids that the model has a row for; None where the graph does not show it."""


def check_graph(model: ModelProto, folder: Path) -> GraphContract:
    """Accepts a graph, or says what is wrong with it.

    Raises:
        ModelFailedError: It is no cross-encoder that can be served here.
    """
    check_bounds(model)
    _check_domains(model)
    check_external_data(tensors(model), folder)
    inputs = _check_inputs(model.graph)
    output = _choose_output(model.graph)
    _check_output(model.graph, output)
    return GraphContract(
        inputs=inputs,
        output=output.name,
        arithmetic=_arithmetic(model),
        embedding_rows=_embedding_rows(model.graph),
    )


def check_vocabulary(contract: GraphContract, vocabulary_size: int) -> None:
    """Refuses a tokenizer that can give ids which the model has no embedding for.

    Raises:
        ModelFailedError: The tokenizer belongs to another model.
    """
    rows = contract.embedding_rows
    if rows is not None and vocabulary_size > rows:
        raise ModelFailedError(
            f"the tokenizer knows {vocabulary_size} tokens but the model has embeddings for {rows}: "
            "tokenizer.json does not belong to this graph"
        )


def _check_domains(model: ModelProto) -> None:
    own = {(function.domain, function.name) for function in model.functions}
    for node in nodes(model):
        if node.domain not in ALLOWED_DOMAINS and (node.domain, node.op_type) not in own:
            raise ModelFailedError(
                f"the graph uses operator {node.op_type} of domain {node.domain!r}, which needs a custom "
                "operator library; only operators of ONNX and com.microsoft are run"
            )


def _check_inputs(graph: GraphProto) -> dict[str, npt.DTypeLike]:
    stored = {tensor.name for tensor in graph.initializer}
    inputs = {value.name: value for value in graph.input if value.name not in stored}
    unknown = sorted(set(inputs) - set(KNOWN_INPUTS))
    if unknown:
        raise ModelFailedError(
            f"the graph wants input {', '.join(unknown)}; a cross-encoder takes {', '.join(KNOWN_INPUTS)}"
        )
    if "input_ids" not in inputs:
        raise ModelFailedError(f"the graph has no input input_ids; found: {', '.join(inputs) or 'none'}")
    return {name: _check_input(value) for name, value in inputs.items()}


def _check_input(value: ValueInfoProto) -> npt.DTypeLike:
    tensor = value.type.tensor_type
    if tensor.elem_type not in _INTEGERS:
        raise ModelFailedError(
            f"input {value.name} has element type {tensor.elem_type}; int64 (7) or int32 (6) is needed"
        )
    axes = tensor.shape.dim
    if tensor.HasField("shape") and len(axes) != 2:
        raise ModelFailedError(f"input {value.name} has {len(axes)} axes; (batch, sequence) is needed")
    for axis, dim in zip(("batch", "sequence"), axes, strict=False):
        if dim.HasField("dim_value"):
            raise ModelFailedError(
                f"input {value.name} has a fixed {axis} of {dim.dim_value}; export the model with a "
                "dynamic batch and a dynamic sequence axis"
            )
    return _INTEGERS[tensor.elem_type]


def _choose_output(graph: GraphProto) -> ValueInfoProto:
    named = [value for value in graph.output if value.name in ("logits", "scores", "score")]
    return named[0] if named else graph.output[0]


def _check_output(graph: GraphProto, output: ValueInfoProto) -> None:
    tensor = output.type.tensor_type
    if tensor.elem_type not in _FLOATS:
        raise ModelFailedError(f"output {output.name} has element type {tensor.elem_type}; floats are needed")
    if tensor.HasField("shape"):
        check_output_shape([dim.dim_value or None for dim in tensor.shape.dim])
    for node in _producers(graph, output.name):
        if node.op_type in _PROBABILITIES:
            raise ModelFailedError(
                f"the graph ends in {node.op_type}, so it gives probabilities; logits are needed: "
                "export the model without the final activation"
            )


def check_output_shape(shape: list[int | None]) -> None:
    """Refuses an output that is not one value, or one for each class, per pair; None = dynamic.

    Raises:
        ModelFailedError: The model has no classifier head.
    """
    if len(shape) == 3:
        raise ModelFailedError(
            "the output has 3 axes, one vector for each token: this is an encoder or embedding model "
            "without a classifier head, not a cross-encoder"
        )
    if len(shape) not in (1, 2):
        raise ModelFailedError(
            f"the output has {len(shape)} axes; (batch, 1), (batch, 2) or (batch) is needed"
        )


def _producers(graph: GraphProto, output: str) -> Iterator[NodeProto]:
    """The nodes that an output comes from, back to the first one that computes something."""
    made_by = {name: node for node in graph.node for name in node.output}
    node = made_by.get(output)
    while node is not None:
        yield node
        node = made_by.get(node.input[0]) if node.op_type in _SHAPE_ONLY and node.input else None


def _arithmetic(model: ModelProto) -> str:
    if any(node.op_type in _INTEGER_ARITHMETIC for node in nodes(model)):
        return "int8"
    largest: dict[str, int] = {}
    for tensor in tensors(model):
        if tensor.data_type in _FLOATS:
            name = _FLOATS[tensor.data_type]
            largest[name] = largest.get(name, 0) + int(np.prod(tensor.dims))
    return max(largest, key=largest.__getitem__, default="fp32")


def _embedding_rows(graph: GraphProto) -> int | None:
    """Rows of the table that `input_ids` index, followed through casts and stored as it may be."""
    rows = {tensor.name: tensor.dims[0] for tensor in graph.initializer if tensor.dims}
    ids = {"input_ids"}
    for node in graph.node:
        # A damaged graph has nodes that lack what they need; the runtime says so when it opens it.
        (first, second, *_), (output, *_) = (*node.input, "", ""), (*node.output, "")
        if node.op_type in ("DequantizeLinear", "Cast", "Identity") and first in rows:
            rows[output] = rows[first]
        elif node.op_type in _SHAPE_ONLY and first in ids:
            ids.add(output)
        elif node.op_type == "Gather" and first in rows and second in ids:
            return int(rows[first])
    return None
