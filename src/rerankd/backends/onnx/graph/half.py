"""Stores weights and computes in 16-bit floats, for GPUs; CPUs have no kernels for them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rerankd.backends.onnx.external_data import EXTERNAL
from rerankd.backends.onnx.graph.view import FLOAT, GraphView, NotApplicableError
from rerankd.backends.onnx.graph_file import LARGEST_MESSAGE, tensors
from rerankd.backends.onnx.widen import bring_in

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

NAME = "fp16 arithmetic"
PRODUCTS = "fp16 products"
WAYS = (NAME, PRODUCTS)
"""The faster one first: GPUs fuse norms and attention only where all is in one type. The other leaves all
but the products with weights in fp32, for models whose activations are beyond the range of halves."""

_STORED = ("DequantizeLinear", "QuantizeLinear")
"""Before opset 19 their scales are fp32 only; what they make of weights is computed once, at load."""
_OPERATORS = frozenset({"MatMul", "Gemm"})
_NORMS = frozenset({"LayerNormalization", "ReduceMean"})
_LARGEST = 65504.0 / 2
"""Half of the largest half: other texts than the samples bring larger values."""
_HALF = 10
"""`TensorProto.DataType` of halves."""


def converted(model: ModelProto, folder: Path) -> bytes:
    """The graph in half precision; what goes in and out keeps its type, and the head computes in fp32.

    Raises:
        NotApplicableError: The converter of ONNX Runtime does not take the graph, or it is too large.
    """
    # Needs the whole onnx package; only the first load of a model for a GPU comes here.
    import onnx
    from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

    try:
        # Shapes first: with its external weights inside, a large graph is no message any more.
        parsed = onnx.shape_inference.infer_shapes(onnx.ModelProto.FromString(model.SerializeToString()))
        for tensor in tensors(parsed):
            if tensor.data_location == EXTERNAL:
                bring_in(tensor, folder)
        with warnings.catch_warnings():
            # It names each weight too small for the format; the comparison of scores says what matters.
            warnings.simplefilter("ignore")
            half = convert_float_to_float16(
                parsed,
                keep_io_types=True,
                disable_shape_infer=True,
                op_block_list=[*DEFAULT_OP_BLOCK_LIST, *_STORED],
                node_block_list=_head(parsed),
            )
    except Exception as error:  # Whatever it meets in a stranger's graph.
        raise NotApplicableError(f"the converter failed: {type(error).__name__}") from error
    _drop_doubles(half)
    if half.ByteSize() > LARGEST_MESSAGE:
        raise NotApplicableError("the graph would be larger than an ONNX file may be")
    content: bytes = half.SerializeToString()
    return content


def with_half_products(model: ModelProto, folder: Path) -> bytes:
    """The graph with only its products with weights in halves, but for the head's; changes `model`.

    Raises:
        NotApplicableError: There is no such product, or the graph is too large.
    """
    products = {node.output[0] for node in _products(model)}
    view = GraphView(model, folder)
    halves: dict[str, str] = {}
    for number, node in enumerate(view.nodes):
        output = node.output[0]
        if output not in products:
            continue
        for place, name in enumerate(node.input):
            if not name:  # An optional bias that is not there.
                continue
            halves[name] = halves.get(name) or _halved(view, name, number)
            node.input[place] = halves[name]
        node.output[0] = view.fresh(f"{output}/half")
        view.insert(number + 1, "Cast", [node.output[0]], output, to=FLOAT)
    if not products:
        raise NotApplicableError("no operator multiplies by stored weights in fp32")
    view.replace_nodes()
    if model.ByteSize() > LARGEST_MESSAGE:
        raise NotApplicableError("the graph would be larger than an ONNX file may be")
    content: bytes = model.SerializeToString()
    return content


def _halved(view: GraphView, name: str, before: int) -> str:
    tensor = view.constant(name)
    if tensor is None:
        return view.insert(before, "Cast", [name], view.fresh(f"{name}/half"), to=_HALF)
    with np.errstate(over="ignore"):  # The comparison of scores says whether it matters.
        return view.store(f"{name}/half", view.values(tensor).astype(np.float16))


def _products(model: ModelProto) -> list[NodeProto]:
    """The products with weights that are stored in fp32, without the head's."""
    stored = {tensor.name for tensor in model.graph.initializer if tensor.data_type == FLOAT}
    head = set(_head(model))
    return [
        node
        for node in model.graph.node
        if node.op_type in _OPERATORS and node.input[1] in stored and node.name not in head
    ]


def _drop_doubles(model: ModelProto) -> None:
    """The converter casts a tensor once for each operator that stays in fp32, under one name."""
    made: set[str] = set()
    for number in reversed(range(len(model.graph.node))):
        output = model.graph.node[number].output[0]
        if output and output in made:
            del model.graph.node[number]
        made.add(output)


def outputs_to_observe(model: ModelProto, way: str = NAME) -> list[str]:
    """Names of the tensors that would be halves and grow large first: products, what norms read and square.

    CPUs run most operators of a graph in halves in fp32, so that what leaves their range does not show in the
    results.
    """
    if way == PRODUCTS:
        names = [name for node in _products(model) for name in (node.input[0], node.output[0])]
    else:
        names = [node.output[0] for node in model.graph.node if node.op_type in (*_OPERATORS, "Pow")]
        names += [node.input[0] for node in model.graph.node if node.op_type in _NORMS]
    made = {name for node in model.graph.node for name in node.output}
    return [name for name in dict.fromkeys(names) if name in made]


def check_range(largest: float) -> None:
    """Accepts a model by the largest value that those tensors have on the samples.

    Raises:
        NotApplicableError: It is near the end of the range of halves.
    """
    if largest > _LARGEST:
        raise NotApplicableError(f"values of up to {largest:.3g} are too large for halves")


def _head(model: ModelProto) -> list[str]:
    """Names of the nodes from the last product to the output: they cost nothing, and are the score."""
    for number, node in enumerate(model.graph.node):
        node.name = node.name or f"node_{number}"
    makers: dict[str, NodeProto] = {name: node for node in model.graph.node for name in node.output}
    found: dict[str, None] = {}
    waiting = [value.name for value in model.graph.output]
    while waiting:
        made = makers.get(waiting.pop())
        if made is None or made.name in found:
            continue
        found[made.name] = None
        if made.op_type not in _OPERATORS:
            waiting += made.input
    return list(found)
