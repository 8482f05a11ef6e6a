"""Opens the model that a training run starts from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

from rerankd.core.errors import ModelFailedError
from rerankd.training.modeling.segment_gated import SegmentGatedConfig, SegmentGatedModel

if TYPE_CHECKING:
    import onnx

ARCHITECTURE_KEY = "rerankd"
"""Entry of a served model's config.json that holds the sizes of the torch module it was exported from."""

_PREFIX = "model."
"""What the exporter puts before the names of parameters."""

_WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")


def load_base(directory: Path, *, max_length: int = 512) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A trainable model in float32, and its tokenizer.

    Args:
        directory: A checkpoint of transformers with one logit (or none yet: the head is then new), or a
            directory that this project exported, whose ONNX file is read back.
        max_length: Longest pair that the tokenizer lets through, in tokens.

    Raises:
        ModelFailedError: The directory holds no weights that can be trained.
    """
    if any((directory / name).exists() for name in _WEIGHTS):
        model = AutoModelForSequenceClassification.from_pretrained(
            directory, num_labels=1, dtype=torch.float32, local_files_only=True
        )
        tokenizer = AutoTokenizer.from_pretrained(
            directory, model_max_length=max_length, local_files_only=True
        )
        return model, tokenizer
    return _read_back(directory), _pair_tokenizer(directory / "tokenizer.json", max_length)


def serving_config(model: SegmentGatedModel) -> dict[str, Any]:
    """What `config.json` beside an exported model says: facts for serving, and what `load_base` needs."""
    config = model.config
    sizes = {
        name: getattr(config, name)
        for name in (
            "vocab_size",
            "hidden_size",
            "num_hidden_layers",
            "num_attention_heads",
            "intermediate_size",
            "max_position_embeddings",
        )
    }
    own = {
        "model_type": config.model_type,
        "layer_norm_eps": config.layer_norm_eps,
        "blocked_layers": config.blocked_layers,
        "special_token_ids": config.special_token_ids,
    }
    return {
        "model_type": "bert",
        "architectures": [type(model).__name__],
        "id2label": {"0": "LABEL_0"},
        "num_labels": 1,
        "type_vocab_size": 2,
        "pad_token_id": 0,
        **sizes,
        ARCHITECTURE_KEY: own,
    }


def _read_back(directory: Path) -> SegmentGatedModel:
    description = _described(directory / "config.json")
    own = description.get(ARCHITECTURE_KEY)
    if not isinstance(own, dict) or own.get("model_type") != SegmentGatedConfig.model_type:
        raise ModelFailedError(
            f"{directory.name} holds no weights that can be trained: there is no {_WEIGHTS[0]}, and its ONNX "
            "file was not exported here"
        )
    config = SegmentGatedConfig(**{**description, **own, "architectures": None})
    model = SegmentGatedModel(config)
    tensors = dict(_tensors(directory / "model.onnx"))
    missing = [name for name in model.state_dict() if name not in tensors]
    folded = {name: tensors[name] for name in model.state_dict() if name in tensors}
    if missing:
        raise ModelFailedError(f"{directory.name}: its ONNX file lacks {', '.join(missing[:3])}")
    model.load_state_dict(folded)
    return model


def _described(path: Path) -> dict[str, Any]:
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelFailedError(f"{path.parent.name}: config.json cannot be read: {error}") from error
    return description if isinstance(description, dict) else {}


def _tensors(path: Path) -> Iterator[tuple[str, torch.Tensor]]:
    """Every parameter by its name in the torch module; int8 storage is turned back into float32."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(path).graph
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for name, array in stored.items():
        if name.startswith(_PREFIX) and array.dtype.kind == "f":
            yield name.removeprefix(_PREFIX), torch.from_numpy(array.copy())
    for node in graph.node:
        if node.op_type == "DequantizeLinear":
            yield node.output[0].removeprefix(_PREFIX), _dequantized(node, stored)


def _dequantized(node: onnx.NodeProto, stored: dict[str, Any]) -> torch.Tensor:
    values, scales = stored[node.input[0]], stored[node.input[1]]
    axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 1)
    shape = [1] * values.ndim
    if scales.ndim:
        shape[axis] = -1
    return torch.from_numpy(values.astype("float32") * scales.reshape(shape))


def _pair_tokenizer(path: Path, max_length: int) -> PreTrainedTokenizerFast:
    names = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    return PreTrainedTokenizerFast(
        tokenizer_file=str(path),
        model_max_length=max_length,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        **names,
    )
