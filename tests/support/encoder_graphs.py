"""Small encoders as the usual exporters write them, with random weights: what the rewrites must recognise.

Two layers, four heads. The styles differ in what a rewrite could stumble over: how shapes are computed,
how norms and GELU are spelled, what the mask and the head look like.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from support.onnx_models import build_model, model_files
from support.tiny_tokenizers import TOKENIZERS

__all__ = ["STYLES", "Style", "build_encoder", "encoder_feed", "encoder_graph", "encoder_session"]

_WIDTH, _HEADS, _INNER, _LAYERS = 32, 4, 64, 2
_POSITIONS = 514


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How an exporter writes a family of models."""

    architecture: str = "bert"
    opset: int = 17
    shapes: str = "computed"
    """`computed` from the tensor at hand, `shared` by all layers, or `constant` with -1 and 0."""
    fused_norm: bool = True
    gelu: str = "erf"
    """`erf` (five nodes) or `op`."""
    scaled_inputs: bool = False
    """As scaled_dot_product_attention: queries and keys are scaled, rows without a key become zero."""
    computed_scale: bool = False
    """The scale of inputs is computed from the width of a head, as the shape of queries tells it."""
    dropout: bool = False
    width: int = _WIDTH
    heads: int = _HEADS
    inner: int = _INNER
    embedding_width: int = _WIDTH
    pick: str = "gather"
    """`gather`, `slice`, `mean` (no single row) or `both` (the first row and the mean)."""
    head: str = "tanh"
    """What is between the two dense layers: `tanh`, `relu` or `gelu`."""
    dequantized: bool = False
    """Weights stored as int8 with DequantizeLinear."""


STYLES = {
    "bert, TorchScript": Style(),
    "bert, dynamo": Style(opset=20, shapes="shared", gelu="op", dropout=True),
    "bert, sdpa, TorchScript": Style(scaled_inputs=True),
    "bert, sdpa, scale from shapes": Style(scaled_inputs=True, computed_scale=True),
    "bert, sdpa, dynamo": Style(opset=20, shapes="shared", gelu="op", scaled_inputs=True),
    "bert, opset 13": Style(opset=13, fused_norm=False),
    "minilm, constant shapes": Style(shapes="constant"),
    "roberta": Style(architecture="roberta"),
    "xlm-roberta": Style(architecture="xlm-roberta", pick="slice"),
    "distilbert": Style(architecture="modernbert", head="relu"),
    "electra": Style(embedding_width=16, head="gelu"),
    "bert, int8 weights": Style(dequantized=True),
}


def build_encoder(directory: Path, style: Style, *, seed: int = 3) -> Path:
    """Writes a repository with such a graph and gives its directory."""
    build_model(directory, style.architecture)
    rows = TOKENIZERS[style.architecture]().get_vocab_size()
    model_files(directory).graph.write_bytes(encoder_graph(style, rows, seed=seed).SerializeToString())
    return directory


def encoder_graph(style: Style, rows: int = 100, *, seed: int = 3) -> onnx.ModelProto:
    """The graph alone, for `rows` token ids."""
    return _Encoder(style, rows, np.random.default_rng(seed)).model()


def encoder_session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """The graph on one thread, with weights of 8 bits decoded as the server does."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def encoder_feed(model: onnx.ModelProto, lengths: list[int], seed: int = 0) -> dict[str, np.ndarray]:
    """Random tokens, each row as long as it says and padded to the longest."""
    random = np.random.default_rng(seed)
    shape = (len(lengths), max(lengths))
    arrays = {
        "input_ids": random.integers(1, 100, shape),
        "attention_mask": (np.arange(shape[1]) < np.array(lengths)[:, None]).astype(np.int64),
        "token_type_ids": random.integers(0, 2, shape),
    }
    return {value.name: arrays[value.name] for value in model.graph.input}


class _Encoder:
    def __init__(self, style: Style, rows: int, random: np.random.Generator) -> None:
        self._style = style
        self._rows = rows
        self._random = random
        self._nodes: list[onnx.NodeProto] = []
        self._stored: list[onnx.TensorProto] = []
        self._shapes: dict[tuple[int | str, ...], str] = {}
        self._with_types = style.architecture == "bert"

    def model(self) -> onnx.ModelProto:
        names = ["input_ids", "attention_mask", *(["token_type_ids"] if self._with_types else [])]
        inputs = [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"]) for name in names
        ]
        hidden = self._embeddings()
        mask = self._mask()
        for _ in range(_LAYERS):
            hidden = self._layer(hidden, mask)
        self._nodes.append(helper.make_node("Identity", [self._head(hidden)], ["logits"]))
        output = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 1])
        graph = helper.make_graph(self._nodes, "encoder", inputs, [output], self._stored)
        opset = helper.make_opsetid("", self._style.opset)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
        onnx.checker.check_model(model, full_check=True)
        return model

    def _embeddings(self) -> str:
        width = self._style.embedding_width
        hidden = self._op("Gather", self._floats(self._random.normal(size=(self._rows, width))), "input_ids")
        ones = self._op("Add", self._op("Mul", "input_ids", self._ints(0)), self._ints(1))
        positions = self._op("Sub", self._op("CumSum", ones, self._ints([1])), self._ints(1))
        table = self._floats(self._random.normal(size=(_POSITIONS, width)) * 0.3)
        hidden = self._op("Add", hidden, self._op("Gather", table, positions))
        if self._with_types:
            types = self._floats(self._random.normal(size=(2, width)))
            hidden = self._op("Add", hidden, self._op("Gather", types, "token_type_ids"))
        hidden = self._norm(hidden, width)
        return hidden if width == self._style.width else self._dense(hidden, width, self._style.width)

    def _mask(self) -> str:
        """(batch, 1, rows, columns), as exporters expand it, or with a single row."""
        mask = self._op(
            "Unsqueeze", self._op("Unsqueeze", "attention_mask", self._ints([1])), self._ints([2])
        )
        hidden = self._op("Sub", self._floats(1.0), self._op("Cast", mask, to=TensorProto.FLOAT))
        bias = self._op("Mul", hidden, self._floats(-10000.0))
        if self._style.shapes == "constant":
            return bias
        length = self._op("Gather", self._op("Shape", "input_ids"), self._ints([1]))
        return self._op(
            "Expand", bias, self._op("Concat", self._ints([1]), self._ints([1]), length, length, axis=0)
        )

    def _layer(self, hidden: str, mask: str) -> str:
        query, key, value = (
            self._heads(self._dense(hidden, self._style.width, self._style.width), hidden) for _ in range(3)
        )
        key = self._op("Transpose", key, perm=[0, 1, 3, 2])
        size = self._style.width // self._style.heads
        if self._style.scaled_inputs:
            roots = [self._root(query, size) for _ in range(2)]
            scores = self._op("MatMul", self._op("Mul", query, roots[0]), self._op("Mul", key, roots[1]))
        else:
            scores = self._op("Mul", self._op("MatMul", query, key), self._floats(size**-0.5))
        weights = self._op("Softmax", self._op("Add", scores, mask), axis=-1)
        if self._style.scaled_inputs:
            weights = self._op("Where", self._op("IsNaN", weights), self._floats(0.0), weights)
        mixed = self._op("MatMul", weights, value)
        if self._style.computed_scale:
            mixed = self._op("Reshape", mixed, self._mixed_shape(mixed, query, value))
        mixed = self._op("Transpose", mixed, perm=[0, 2, 1, 3])
        source = mixed if self._style.scaled_inputs else hidden
        mixed = self._op("Reshape", mixed, self._shape(source, self._style.width))
        hidden = self._norm(
            self._op("Add", self._dropped(self._dense(mixed, self._style.width, self._style.width)), hidden)
        )
        inner = self._gelu(self._dense(hidden, self._style.width, self._style.inner))
        return self._norm(
            self._op("Add", self._dropped(self._dense(inner, self._style.inner, self._style.width)), hidden)
        )

    def _root(self, query: str, size: int) -> str:
        """What queries and keys are multiplied with."""
        if not self._style.computed_scale:
            return self._floats(size**-0.25)
        width = self._op("Slice", self._op("Shape", query), self._ints([-1]), self._ints([1 << 62]))
        root = self._op("Sqrt", self._op("Cast", width, to=TensorProto.FLOAT))
        return self._op("Sqrt", self._op("Div", self._floats([1.0]), root))

    def _mixed_shape(self, mixed: str, query: str, value: str) -> str:
        """(batch, heads, sequence, width of a head), each length asked of another tensor."""
        asked = [
            self._op(
                "Unsqueeze", self._op("Gather", self._op("Shape", source), self._ints(axis)), self._ints([0])
            )
            for source, axis in ((mixed, 0), (query, 2), (value, 3))
        ]
        return self._op("Concat", asked[0], self._ints([-1]), *asked[1:], axis=0)

    def _heads(self, projected: str, hidden: str) -> str:
        source = projected if self._style.scaled_inputs else hidden
        shape = self._shape(source, self._style.heads, self._style.width // self._style.heads)
        return self._op("Transpose", self._op("Reshape", projected, shape), perm=[0, 2, 1, 3])

    def _shape(self, source: str, *last: int) -> str:
        """(batch, sequence, *last), computed from a tensor whose first two axes are these."""
        if self._style.shapes == "constant":
            return self._ints([0, -1, *last])
        if self._style.shapes == "shared":
            source = "input_ids"
            if last in self._shapes:
                return self._shapes[last]
        whole = self._op("Shape", source)
        axes = [
            self._op("Unsqueeze", self._op("Gather", whole, self._ints(axis)), self._ints([0]))
            for axis in (0, 1)
        ]
        self._shapes[last] = self._op("Concat", *axes, *(self._ints([size]) for size in last), axis=0)
        return self._shapes[last]

    def _head(self, hidden: str) -> str:
        pick = self._style.pick
        if pick in ("gather", "both"):
            row = self._op("Gather", hidden, self._ints(0), axis=1)
        elif pick == "slice":
            row = self._op("Slice", hidden, self._ints([0]), self._ints([1]), self._ints([1]))
            row = self._op("Squeeze", row, self._ints([1]))
        if pick in ("mean", "both"):
            mean = self._op("Mul", self._sum(hidden), self._floats(0.05))
            row = mean if pick == "mean" else self._op("Add", row, mean)
        row = self._op("MatMul", row, self._weights(self._style.width, self._style.width))
        kinds = {"tanh": lambda x: self._op("Tanh", x), "relu": lambda x: self._op("Relu", x)}
        row = kinds.get(self._style.head, self._gelu)(row)
        weights = self._floats(self._random.normal(size=(1, self._style.width)))
        return self._op("Gemm", row, weights, self._floats([0.1]), transB=1)

    def _sum(self, hidden: str) -> str:
        """Over the rows that the mask shows."""
        shown = self._op(
            "Unsqueeze", self._op("Cast", "attention_mask", to=TensorProto.FLOAT), self._ints([2])
        )
        return self._op("ReduceSum", self._op("Mul", hidden, shown), self._ints([1]), keepdims=0)

    def _dense(self, source: str, rows: int, columns: int) -> str:
        product = self._op("MatMul", source, self._weights(rows, columns))
        bias = self._floats(self._random.normal(size=columns) * 0.1)
        return self._op("Add", bias, product)

    def _norm(self, source: str, width: int = 0) -> str:
        width = width or self._style.width
        scale = self._floats(1 + 0.2 * self._random.normal(size=width))
        bias = self._floats(0.1 * self._random.normal(size=width))
        if self._style.fused_norm:
            return self._op("LayerNormalization", source, scale, bias, axis=-1, epsilon=1e-5)
        centred = self._op("Sub", source, self._op("ReduceMean", source, axes=[-1]))
        variance = self._op("ReduceMean", self._op("Pow", centred, self._floats(2.0)), axes=[-1])
        deviation = self._op("Sqrt", self._op("Add", variance, self._floats(1e-5)))
        return self._op("Add", self._op("Mul", self._op("Div", centred, deviation), scale), bias)

    def _gelu(self, source: str) -> str:
        if self._style.gelu == "op":
            return self._op("Gelu", source)
        error = self._op("Erf", self._op("Div", source, self._floats(2**0.5)))
        error = self._op("Add", error, self._floats(1.0))
        return self._op("Mul", self._op("Mul", source, error), self._floats(0.5))

    def _dropped(self, source: str) -> str:
        return self._op("Dropout", source) if self._style.dropout else source

    def _weights(self, rows: int, columns: int) -> str:
        values = self._random.normal(size=(rows, columns)) * rows**-0.5
        if not self._style.dequantized:
            return self._floats(values)
        scales = np.abs(values).max(axis=0) / 127
        levels = self._store(np.rint(values / scales).astype(np.int8))
        return self._op("DequantizeLinear", levels, self._floats(scales), axis=1)

    def _op(self, kind: str, *inputs: str, **attributes: object) -> str:
        name = f"{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def _floats(self, values: object) -> str:
        return self._store(np.array(values, dtype=np.float32))

    def _ints(self, values: object) -> str:
        return self._store(np.array(values, dtype=np.int64))

    def _store(self, values: np.ndarray) -> str:
        name = f"stored_{len(self._stored)}"
        self._stored.append(numpy_helper.from_array(values, name))
        return name
