"""Multiplies the large matrices in 8-bit integers, each pair by itself.

The usual dynamic quantization takes one scale from the whole batch, so a score would depend on its
neighbours. Here a scale comes from where it cannot see them:

* What comes out of a layer norm or of attention has one fixed scale, found by calibration: quantizing
  is a single pass, and the bias is added inside the product. Behind a norm, channels with outliers are
  first scaled down and the rows of the weights up (SmoothQuant, arXiv:2211.10438), at no cost but a
  second norm.
* Everything else has a scale for each row: above all the wide input of the second half of the
  feed-forward block, whose outliers no calibration foresees. Its product is narrow, so scaling the rows
  back is cheap.

Weights have a scale for each column. Whatever has only one row, and attention itself, stays in float.
On 2 cores with VNNI, interleaved, the 6-layer bundled model: x1.99 of float, against x1.6 with a scale
for each row everywhere, x0.9 with MatMulNBits of 8 bits (blocks of 32 to 256), and x2.3 with fixed scales
everywhere, whose scores are three times further off. On x86 without VNNI the kernels may saturate sums
of 16 bits; the comparison with the original, made on the processor that serves, then keeps the float graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rerankd.backends.base import Float32Array
from rerankd.backends.onnx.graph.view import FLOAT, Array, GraphView, NotApplicableError
from rerankd.backends.onnx.graph.weights import float_matrix, matrix_shape

NAME = "int8 products"
_OLDEST_OPSET = 13  # QuantizeLinear with an axis.
_NARROWEST = 8
_SMOOTHING = 0.75
"""How much of an outlier moves from the activations into the weights. .5 and .95 are further off; a choice
for each input by expected rounding noise gains nothing."""
_MARGIN = 1.15
"""Room above the largest value that calibration has seen; what is beyond it saturates."""
_ONE_SIDED = 0.2
"""GELU goes down to -0.17: an input that stays above minus this spends its levels on what is above."""
_MIDDLE, _LOW = 128, 16
"""Levels that stand for zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """What calibration saw of each channel of a tensor."""

    lowest: Float32Array
    highest: Float32Array

    @property
    def magnitudes(self) -> Float32Array:
        """Largest absolute value of each channel."""
        return np.maximum(-self.lowest, self.highest)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Input:
    """A quantized activation: its levels, the level of zero, and how to scale a product back."""

    levels: str
    zero: str
    scale: str
    """Stored, for the operator itself."""
    row_scales: str = ""
    """Computed, to multiply with afterwards."""
    factors: Float32Array | None = None
    """What the channels were divided by."""


def inputs_to_observe(view: GraphView, narrow: frozenset[str]) -> list[str]:
    """The tensors of which `apply` needs the ranges.

    Args:
        view: The graph.
        narrow: Tensors of a single row, which are left alone.

    Raises:
        NotApplicableError: There is no matrix product to speed up.
    """
    if view.opset < _OLDEST_OPSET:
        raise NotApplicableError(
            f"the graph is of opset {view.opset}; {_OLDEST_OPSET} is the first that will do"
        )
    names = dict.fromkeys(view.nodes[number].input[0] for number in _products(view, narrow))
    if not names:
        raise NotApplicableError("no product with a stored float matrix")
    return [*names]


def apply(view: GraphView, narrow: frozenset[str], ranges: Mapping[str, Range]) -> None:
    """Rewrites the graph; `ranges` are those of `inputs_to_observe`."""
    view.need_domain("com.microsoft")
    groups: dict[str, list[int]] = {}
    for number in _products(view, narrow):
        groups.setdefault(view.nodes[number].input[0], []).append(number)
    dropped: set[int] = set()
    for name, numbers in groups.items():
        weights = {number: float_matrix(view, view.nodes[number].input[1]) for number in numbers}
        quantized = _quantize(view, name, numbers[0], ranges[name], [*weights.values()])
        for number, matrix in weights.items():
            dropped |= _multiply(view, number, matrix, quantized)
    view.replace_nodes(frozenset(dropped))


def _products(view: GraphView, narrow: frozenset[str]) -> list[int]:
    return [
        number
        for number, node in enumerate(view.nodes)
        if node.op_type == "MatMul"
        and view.ranks.get(node.input[0]) == 3
        and node.output[0] not in narrow
        and min(matrix_shape(view, node.input[1])) >= _NARROWEST
    ]


def _quantize(view: GraphView, name: str, before: int, seen: Range, matrices: list[Float32Array]) -> _Input:
    rows, columns = matrices[0].shape
    normalized = _is_normalized(view, name)
    if rows > columns or not (normalized or _is_mixed(view, name)):
        return _by_rows(view, name, before, seen)
    factors = None
    source = name
    if normalized:
        factors = _smoothing_factors(seen, matrices)
        source = _scaled_down(view, name, before, factors)
    peak = float((seen.magnitudes / (1.0 if factors is None else factors)).max())
    scale = view.store(f"{name}/scale", np.array(max(peak * _MARGIN / 127, 1e-12), dtype=np.float32))
    zero = view.store(f"{name}/zero", np.array(_MIDDLE, dtype=np.uint8))
    levels = view.insert(before, "QuantizeLinear", [source, scale, zero], view.fresh(f"{name}/levels"))
    return _Input(levels=levels, zero=zero, scale=scale, factors=factors)


def _is_normalized(view: GraphView, name: str) -> bool:
    """Whether a tensor comes out of a layer norm, be it one node or the last of several."""
    maker = view.made_by(name)
    if maker is None or maker.op_type != "Add":
        return maker is not None and maker.op_type == "LayerNormalization"
    scaled = any(part is not None and part.op_type == "Mul" for part in map(view.made_by, maker.input))
    shifted = any(part is not None and len(part.dims) == 1 for part in map(view.constant, maker.input))
    return scaled and shifted


def _is_mixed(view: GraphView, name: str) -> bool:
    """Whether a tensor is what attention gives: a mean of values, which stays within their range."""
    maker = view.made_by(name)
    return maker is not None and maker.op_type in ("Attention", "Reshape")


def _smoothing_factors(seen: Range, matrices: list[Float32Array]) -> Float32Array:
    """What to divide each channel by: large where activations are large and weights are small."""
    weights = np.max([np.abs(matrix).max(axis=1) for matrix in matrices], axis=0)
    factors = np.maximum(seen.magnitudes, 1e-5) ** _SMOOTHING / np.maximum(weights, 1e-5) ** (1 - _SMOOTHING)
    centred: Float32Array = (factors / np.exp(np.log(factors).mean())).astype(np.float32)
    return centred


def _scaled_down(view: GraphView, name: str, before: int, factors: Float32Array) -> str:
    """The tensor with its channels divided: a second norm with other weights, or a product."""
    maker = view.made_by(name)
    output = view.fresh(f"{name}/smooth")
    if maker is not None and maker.op_type == "LayerNormalization":
        parts = [view.constant(part) for part in maker.input[1:]]
        if all(part is not None and list(part.dims) == [len(factors)] for part in parts):
            weights = [
                view.store(f"{part.name}/smooth", view.values(part).astype(np.float32) / factors)
                for part in parts
                if part is not None
            ]
            inputs = [maker.input[0], *weights]
            return view.insert(before, "LayerNormalization", inputs, output, attributes_of=maker)
    inverse = view.store(f"{name}/inverse", (1 / factors).astype(np.float32))
    return view.insert(before, "Mul", [name, inverse], output)


def _by_rows(view: GraphView, name: str, before: int, seen: Range) -> _Input:
    """Each row is divided by its own largest value."""
    lowest = -float(seen.lowest.min()) * _MARGIN
    one_sided = lowest <= _ONE_SIDED
    level = _LOW if one_sided else _MIDDLE
    steps = 255 - level if one_sided else 127
    floor = max(lowest / level, 1e-12) if one_sided else 1e-12

    def add(kind: str, inputs: list[str], suffix: str, **attributes: int | list[int]) -> str:
        return view.insert(before, kind, inputs, view.fresh(f"{name}/{suffix}"), None, **attributes)

    def store(suffix: str, values: Array) -> str:
        return view.store(f"{name}/{suffix}", values)

    last = store("last", np.array([-1], dtype=np.int64))
    width = store("width", np.array([-1, len(seen.lowest)], dtype=np.int64))
    zero = store("zero", np.array(level, dtype=np.uint8))
    size = name if one_sided else add("Abs", [name], "size")
    if view.opset >= 18:
        peak = add("ReduceMax", [size, last], "peak", keepdims=1)
    else:
        peak = add("ReduceMax", [size], "peak", axes=[-1], keepdims=1)
    scales = add("Mul", [peak, store("step", np.array(1 / steps, dtype=np.float32))], "step_scales")
    scales = add("Max", [scales, store("floor", np.array(floor, dtype=np.float32))], "scales")
    # Only two axes: the operator takes a scale for each entry of one axis.
    flat_scales = add("Reshape", [scales, last], "flat_scales")
    zeros = add("Expand", [zero, add("Shape", [flat_scales], "rows")], "zeros")
    flat = add("Reshape", [name, width], "flat")
    levels = add("QuantizeLinear", [flat, flat_scales, zeros], "flat_levels", axis=0)
    levels = add("Reshape", [levels, add("Shape", [name], "shape")], "levels")
    one = store("one", np.array(1, dtype=np.float32))
    return _Input(levels=levels, zero=zero, scale=one, row_scales=scales)


def _multiply(view: GraphView, number: int, matrix: Float32Array, source: _Input) -> set[int]:
    """Puts the integer product in place of a node, and of its bias where it can; gives what to drop."""
    node = view.nodes[number]
    name = node.output[0]
    if source.factors is not None:
        matrix = matrix * source.factors[:, np.newaxis]
    scales = np.maximum(np.abs(matrix).max(axis=0), 1e-12) / 127
    levels = np.clip(np.rint(matrix / scales), -127, 127).astype(np.int8)
    stored = view.store(f"{name}/weights", levels)
    columns = view.store(f"{name}/weight_scales", scales.astype(np.float32))
    inputs = [source.levels, stored, source.scale, columns, source.zero]
    bias = None if source.row_scales else _bias(view, name, len(scales))
    if bias is not None:
        reader = view.readers[name][0]
        view.insert(number, "MatMulIntegerToFloat", [*inputs, "", bias], view.nodes[reader].output[0])
        return {number, reader}
    if source.row_scales:
        unscaled = view.insert(number, "MatMulIntegerToFloat", inputs, view.fresh(f"{name}/unscaled"))
        view.insert(number, "Mul", [unscaled, source.row_scales], name)
    else:
        view.insert(number, "MatMulIntegerToFloat", inputs, name)
    return {number}


def _bias(view: GraphView, product: str, columns: int) -> str | None:
    """The stored vector that is added to a product, if that is all that happens to it."""
    readers = view.readers[product]
    if len(readers) != 1 or product in view.pinned or view.nodes[readers[0]].op_type != "Add":
        return None
    for name in view.nodes[readers[0]].input:
        tensor = view.stored.get(name)
        if tensor is not None and list(tensor.dims) == [columns] and tensor.data_type == FLOAT:
            return name
    return None
