"""Tiny ONNX cross-encoders: one attention layer, fixed seeds, a few hundred kilobytes.

They are real in what matters to the code around them: a logit depends on the ids, their order, the
mask and the type ids; padding that the mask hides has no influence.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from rerankd.artifacts.files import ModelFiles
from support.tiny_tokenizers import NAN_WORD, TOKENIZERS

__all__ = ["ARCHITECTURES", "NAN_WORD", "build_model", "edit_graph", "model_files"]

_WIDTH = 16
_POSITIONS = 512
_CLASSES = {"logit": 1, "flat": 1, "two_classes": 2, "three_classes": 3, "sigmoid": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """What tells one family of models from another, as far as a server can see."""

    model_type: str
    pad_token: str
    pad_token_id: int
    token_type_ids: bool
    first_position: int = 0
    """RoBERTa numbers positions from `pad_token_id + 1`."""


ARCHITECTURES = {
    "bert": Architecture(model_type="bert", pad_token="[PAD]", pad_token_id=0, token_type_ids=True),
    "roberta": Architecture(
        model_type="roberta", pad_token="<pad>", pad_token_id=1, token_type_ids=False, first_position=2
    ),
    "xlm-roberta": Architecture(
        model_type="xlm-roberta", pad_token="<pad>", pad_token_id=1, token_type_ids=False, first_position=2
    ),
    "deberta": Architecture(model_type="deberta-v2", pad_token="[PAD]", pad_token_id=0, token_type_ids=True),
    "modernbert": Architecture(
        model_type="modernbert", pad_token="[PAD]", pad_token_id=0, token_type_ids=False
    ),
    "document-first": Architecture(model_type="bert", pad_token="[PAD]", pad_token_id=0, token_type_ids=True),
}


def build_model(
    directory: Path,
    architecture: str = "bert",
    head: str = "logit",
    *,
    seed: int = 7,
    layout: str = "onnx",
    precision: str = "fp32",
    token_type_ids: bool | None = None,
    position_ids: bool = False,
    attention_mask: bool = True,
    int32_inputs: bool = False,
    external_data: bool = False,
    fixed_batch: int | None = None,
    fixed_sequence: int | None = None,
    constant: bool = False,
) -> Path:
    """Writes a repository as the Hub has them and gives its directory.

    Args:
        directory: Where to write; made if it is not there.
        architecture: A key of `ARCHITECTURES`.
        head: `logit` (batch, 1), `flat` (batch), `two_classes`, `three_classes`, `sigmoid`
            (a probability), `none` (hidden states) or `embedding` (batch, width).
        seed: Of the weights: another seed is another model.
        layout: `onnx` puts the graph at `onnx/model.onnx`, `root` at `model.onnx`.
        precision: `fp32`, or `fp16` for weights and output.
        token_type_ids: Whether the graph has that input; None = as the family does.
        position_ids: Whether positions are an input; else the graph counts them.
        attention_mask: Whether the graph has that input; without it padding is not hidden.
        int32_inputs: Whether inputs are int32 instead of int64.
        external_data: Whether weights lie in `model.onnx_data`.
        fixed_batch: A batch size that the graph insists on.
        fixed_sequence: A length that the graph insists on.
        constant: Whether every pair gets the same logit.
    """
    family = ARCHITECTURES[architecture]
    tokenizer = TOKENIZERS[architecture]()
    drawing = _Drawing(
        family=family,
        rows=tokenizer.get_vocab_size(),
        random=np.random.default_rng(seed),
        float_type=np.dtype(np.float16 if precision == "fp16" else np.float32),
        integer=TensorProto.INT32 if int32_inputs else TensorProto.INT64,
        axes=[fixed_batch or "batch", fixed_sequence or "sequence"],
    )
    with_types = family.token_type_ids if token_type_ids is None else token_type_ids
    hidden = drawing.encoder(with_types=with_types, with_positions=position_ids, with_mask=attention_mask)
    model = drawing.finish(hidden, head, constant=constant)
    graph = directory / "onnx" / "model.onnx" if layout == "onnx" else directory / "model.onnx"
    graph.parent.mkdir(parents=True, exist_ok=True)
    if external_data:
        onnx.save(model, graph, save_as_external_data=True, location="model.onnx_data", size_threshold=64)
    else:
        onnx.save(model, graph)
    tokenizer.save(str(directory / "tokenizer.json"))
    _write_configs(directory, family, _CLASSES.get(head, 1), drawing.rows)
    return directory


def model_files(directory: Path, **changes: object) -> ModelFiles:
    """The files of a repository that `build_model` wrote; `changes` go into its config."""
    graph = directory / "onnx" / "model.onnx"
    config = json.loads((directory / "config.json").read_text())
    return ModelFiles(
        id=f"test/{directory.name}",
        revision="0" * 40,
        graph=graph if graph.exists() else directory / "model.onnx",
        tokenizer=directory / "tokenizer.json",
        config={**config, **changes},
        tokenizer_config=json.loads((directory / "tokenizer_config.json").read_text()),
        license="Apache-2.0",
    )


def edit_graph(directory: Path, change: Callable[[onnx.ModelProto], None]) -> None:
    """Applies a change to the stored graph, to break it in a way that `build_model` does not offer."""
    path = model_files(directory).graph
    model = onnx.load(path, load_external_data=False)
    change(model)
    path.write_bytes(model.SerializeToString())


def _write_configs(directory: Path, family: Architecture, classes: int, rows: int) -> None:
    config = {
        "model_type": family.model_type,
        "architectures": ["TinyForSequenceClassification"],
        "id2label": {str(number): f"LABEL_{number}" for number in range(classes)},
        "vocab_size": rows,
        "max_position_embeddings": _POSITIONS + family.first_position,
        "type_vocab_size": 2,
        "pad_token_id": family.pad_token_id,
        "hidden_size": _WIDTH,
    }
    (directory / "config.json").write_text(json.dumps(config, indent=2))
    tokenizer_config = {"model_max_length": _POSITIONS, "pad_token": family.pad_token}
    (directory / "tokenizer_config.json").write_text(json.dumps(tokenizer_config, indent=2))


class _Drawing:
    """A graph in the making."""

    def __init__(
        self,
        *,
        family: Architecture,
        rows: int,
        random: np.random.Generator,
        float_type: np.dtype[np.floating],
        integer: int,
        axes: list[int | str],
    ) -> None:
        self.rows = rows
        self._family = family
        self._random = random
        self._float_type = float_type
        self._float = helper.np_dtype_to_tensor_dtype(float_type)
        self._integer = integer
        self._axes = axes
        self._inputs: list[onnx.ValueInfoProto] = []
        self._nodes: list[onnx.NodeProto] = []
        self._stored: list[onnx.TensorProto] = []

    def encoder(self, *, with_types: bool, with_positions: bool, with_mask: bool) -> str:
        ids = self._input("input_ids")
        mask = self._input("attention_mask") if with_mask else self._op("Mul", ids, self._integers(0))
        mask = mask if with_mask else self._op("Add", mask, self._integers(1))
        table = self._random.normal(size=(self.rows, _WIDTH))
        table[self.rows - 1] = np.nan  # The row of NAN_WORD.
        hidden = self._op("Gather", self._floats(table), ids)
        positions = self._input("position_ids") if with_positions else self._positions(ids)
        hidden = self._op("Add", hidden, self._op("Gather", self._table(_POSITIONS + 2), positions))
        if with_types:
            types = self._op("Gather", self._table(2), self._input("token_type_ids"))
            hidden = self._op("Add", hidden, types)
        return self._attention(hidden, mask)

    def finish(self, hidden: str, head: str, *, constant: bool) -> onnx.ModelProto:
        shape: list[int | str] = [self._axes[0]]
        if head == "none":
            output, shape = hidden, [*self._axes, _WIDTH]
        else:
            pooled = self._op("Gather", hidden, self._integers(0), axis=1)
            output = self._op("Tanh", self._op("MatMul", pooled, self._matrix(_WIDTH, 0.5)))
            shape = [*shape, _WIDTH]
        if head in _CLASSES:
            weights = self._matrix(_CLASSES[head], 0.0 if constant else 1.0)
            output, shape[1] = self._op("MatMul", output, weights), _CLASSES[head]
        if head == "flat":
            output, shape = self._op("Squeeze", output, self._vector([1])), shape[:1]
        if head == "sigmoid":
            output = self._op("Sigmoid", output)
        self._nodes.append(helper.make_node("Identity", [output], ["logits"]))
        result = helper.make_tensor_value_info("logits", self._float, shape)
        graph = helper.make_graph(self._nodes, "tiny", self._inputs, [result], self._stored)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)

    def _attention(self, hidden: str, mask: str) -> str:
        query, key, value = (self._op("MatMul", hidden, self._matrix(_WIDTH, 0.3)) for _ in range(3))
        scores = self._op("MatMul", query, self._op("Transpose", key, perm=[0, 2, 1]))
        hiding = self._op("Sub", self._floats(np.array(1.0)), self._op("Cast", mask, to=self._float))
        hiding = self._op("Mul", hiding, self._floats(np.array(-10000.0)))
        scores = self._op("Add", scores, self._op("Unsqueeze", hiding, self._vector([1])))
        mixed = self._op("MatMul", self._op("Softmax", scores, axis=-1), value)
        return self._op("Tanh", self._op("Add", hidden, mixed))

    def _positions(self, ids: str) -> str:
        """As the family counts them: 0, 1, 2, or from `pad_token_id + 1`, padding apart."""
        pad = self._integers(self._family.pad_token_id)
        if self._family.first_position:
            real = self._op("Cast", self._op("Not", self._op("Equal", ids, pad)), to=self._integer)
            counted = self._op("CumSum", real, self._vector(1))
            return self._op("Add", self._op("Mul", counted, real), pad)
        ones = self._op("Add", self._op("Mul", ids, self._integers(0)), self._integers(1))
        return self._op("Sub", self._op("CumSum", ones, self._vector(1)), self._integers(1))

    def _op(self, kind: str, *inputs: str, **attributes: object) -> str:
        name = f"{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def _input(self, name: str) -> str:
        self._inputs.append(helper.make_tensor_value_info(name, self._integer, self._axes))
        return name

    def _matrix(self, columns: int, scale: float) -> str:
        return self._floats(self._random.normal(size=(_WIDTH, columns)) * scale)

    def _table(self, rows: int) -> str:
        return self._floats(self._random.normal(size=(rows, _WIDTH)) * 0.5)

    def _floats(self, values: np.ndarray) -> str:
        return self._store(values.astype(self._float_type))

    def _integers(self, value: int) -> str:
        return self._store(np.array(value, dtype=helper.tensor_dtype_to_np_dtype(self._integer)))

    def _vector(self, values: object) -> str:
        """Axes and shapes, which ONNX wants in int64 whatever the inputs are."""
        return self._store(np.array(values, dtype=np.int64))

    def _store(self, values: np.ndarray) -> str:
        name = f"stored_{len(self._stored)}"
        self._stored.append(numpy_helper.from_array(values, name))
        return name
