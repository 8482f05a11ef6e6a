"""From a torch model to an ONNX graph, by torch's own exporter."""

from __future__ import annotations

import contextlib
import inspect
import io
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from rerankd.core.errors import ModelFailedError
from rerankd.training.export.graph_names import restore_shared_names

if TYPE_CHECKING:
    from onnx import ModelProto
    from torch import Tensor
    from torch.nn import Module
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

OPSET = 17
"""As the bundled model; LayerNormalization is one operator from here on."""

OUTPUT = "logits"
_INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def input_names(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> tuple[str, ...]:
    """What the graph takes: token types only where the model and its tokenizer know them."""
    known = inspect.signature(model.forward).parameters
    return tuple(
        name
        for name in _INPUTS
        if name in known and (name != "token_type_ids" or name in tokenizer.model_input_names)
    )


def traced(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> ModelProto:
    """The graph: int64 inputs of (batch, sequence), `logits` of (batch, 1), float32.

    Parameters keep their names behind `model.`, by which `load_base` reads our own architecture back.

    Raises:
        ModelFailedError: The exporter cannot write one of the model's operators.
    """
    import onnx
    import torch

    names = input_names(model, tokenizer)
    axes = {name: {0: "batch", 1: "sequence"} for name in names} | {OUTPUT: {0: "batch"}}
    wrapper = _wrapper(model, names).eval()
    content = io.BytesIO()
    try:
        with torch.inference_mode(), _plain_attention(model), _quiet():
            torch.onnx.export(
                wrapper,
                _example(names, int(model.config.vocab_size)),
                cast("Any", content),
                input_names=list(names),
                output_names=[OUTPUT],
                dynamic_axes=axes,
                opset_version=OPSET,
                # Parameters that the exporter computes with lose their names. Linear layers are stored the
                # other way round than MatMul takes them, which is for it to put right.
                do_constant_folding=not _is_own(model),
                # The newer exporter needs onnxscript, and writes attention in ways our rewrites do not know.
                dynamo=False,
            )
    except (RuntimeError, TypeError) as error:
        # The exporter's own errors are RuntimeErrors.
        cause = str(error).partition("\n")[0][:200]
        raise ModelFailedError(
            f"a model of type {model.config.model_type} cannot be exported: {cause}"
        ) from error
    graph = onnx.load_from_string(content.getvalue())
    restore_shared_names(graph)
    graph.producer_name, graph.doc_string = "rerankd", ""
    onnx.checker.check_model(graph)
    return graph


def _wrapper(model: PreTrainedModel, names: tuple[str, ...]) -> Module:
    from torch import nn

    class Logits(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *inputs: Tensor) -> Tensor:
            logits: Tensor = self.model(**dict(zip(names, inputs, strict=True))).logits
            return logits

    return Logits()


def _example(names: tuple[str, ...], vocabulary: int) -> tuple[Tensor, ...]:
    """Two pairs of different lengths: the trace must not take the batch or the padding for a constant."""
    import torch

    rows, columns = 2, 24
    ids = torch.arange(rows * columns).reshape(rows, columns) % max(2, vocabulary - 1) + 1
    mask = torch.ones_like(ids)
    mask[1, columns // 2 :] = 0
    types = torch.zeros_like(ids)
    types[:, columns // 3 :] = 1
    given = {"input_ids": ids * mask, "attention_mask": mask, "token_type_ids": types * mask}
    return tuple(given[name] for name in names)


def _is_own(model: PreTrainedModel) -> bool:
    return str(model.config.model_type) == "rerankd-segment-gated"


@contextlib.contextmanager
def _plain_attention(model: PreTrainedModel) -> Iterator[None]:
    """Attention in plain operators, as the rewrites of the serving backend know it best."""
    before = getattr(model.config, "_attn_implementation", None)
    if before not in ("sdpa", "flash_attention_2") or _is_own(model):
        yield
        return
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(before)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        # We know, and say at `dynamo` why.
        warnings.filterwarnings("ignore", message="You are using the legacy TorchScript-based ONNX export")
        warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"torch\.(onnx|jit).*")
        # Branches that depend on shapes and are the same for all of them; parity is checked on real pairs.
        warnings.filterwarnings("ignore", message="Converting a tensor to a Python")
        # Positions and gathered columns are never negative.
        warnings.filterwarnings("ignore", message="Exporting aten::index operator of advanced indexing")
        yield
