"""Which files of a repository make a model: the graph of a precision, the tokenizer, the configs.

Pure: it sees a list of relative paths, from the Hub's listing or from a directory.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from rerankd.core.errors import ModelFailedError

FOLDERS = ("onnx/", "")
"""Where graphs are looked for, in this order: exporters that keep the original weights use `onnx/`."""

PRECISIONS = ("fp32", "fp16", "bf16", "int8")
"""From the reference scores to the furthest from them; `auto` takes the first that is there."""

# platform.machine would say the same and take longer to import than this package.
_ARM = hasattr(os, "uname") and os.uname().machine in ("arm64", "aarch64")

# As optimum, Sentence Transformers and onnx-community name their exports. O1 to O3 only fuse nodes,
# O4 also halves the precision. Of the int8 graphs that are made for one instruction set the AVX2 one
# comes first: the VNNI ones saturate 16-bit sums, and so give other scores, on a CPU without VNNI.
_GRAPHS: Mapping[str, tuple[str, ...]] = {
    "fp32": (
        "model.onnx",
        "model_fp32.onnx",
        "model_optimized.onnx",
        "model_O3.onnx",
        "model_O2.onnx",
        "model_O1.onnx",
    ),
    "fp16": ("model_fp16.onnx", "model_O4.onnx"),
    "bf16": ("model_bf16.onnx",),
    "int8": (
        "model_int8.onnx",
        "model_quantized.onnx",
        *(("model_qint8_arm64.onnx",) if _ARM else ()),
        "model_quint8_avx2.onnx",
        "model_uint8.onnx",
        "model_qint8_avx512_vnni.onnx",
        "model_qint8_avx512.onnx",
        *(() if _ARM else ("model_qint8_arm64.onnx",)),
    ),
}

TOKENIZER = "tokenizer.json"
CONFIG = "config.json"
TOKENIZER_CONFIG = "tokenizer_config.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Which precision is asked for."""

    precision: str = "auto"
    """`auto`, one of PRECISIONS, or the path of a graph inside the repository."""
    strict: bool = False
    """Whether another precision is a failure even where the model offers only that one."""


AUTO = Wish()


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The files of a model, by path relative to the repository."""

    graph: str
    precision: str
    tokenizer: str
    config: str = ""
    tokenizer_config: str = ""
    likely_data: tuple[str, ...] = ()
    """What looks like the graph's external data; the graph itself has the last word."""

    @property
    def folder(self) -> str:
        """Folder of the graph with its slash, or nothing for the root."""
        return folder_of(self.graph)

    @property
    def small_files(self) -> tuple[str, ...]:
        """Everything but the graph and its data."""
        return tuple(path for path in (self.config, self.tokenizer_config, self.tokenizer) if path)


def folder_of(path: str) -> str:
    """`onnx/` for `onnx/model.onnx`, nothing for `model.onnx`."""
    return path[: path.rfind("/") + 1]


def is_precision(value: str) -> bool:
    """Whether configuration may ask for it."""
    return value == "auto" or value in PRECISIONS or value.endswith(".onnx")


def find_layout(
    model: str, paths: Collection[str], wish: Wish, preferred: Mapping[str, tuple[str, ...]]
) -> Layout:
    """Chooses the files of a model.

    Args:
        model: Its id, for messages.
        paths: Everything that the repository holds.
        wish: The precision that is asked for.
        preferred: Precision -> graph and its data, where a preset knows them.

    Raises:
        ModelFailedError: There is no such graph, or no tokenizer.
    """
    graph, precision = _find_graph(model, paths, wish, preferred)
    folder = folder_of(graph)
    tokenizer = _beside(paths, folder, TOKENIZER)
    if not tokenizer:
        raise ModelFailedError(
            f"model {model} has no {TOKENIZER}; save its tokenizer with a fast tokenizer and try again",
            metadata={"model": model, "file": TOKENIZER},
        )
    return Layout(
        graph=graph,
        precision=precision,
        tokenizer=tokenizer,
        config=_beside(paths, folder, CONFIG),
        tokenizer_config=_beside(paths, folder, TOKENIZER_CONFIG),
        likely_data=tuple(sorted(p for p in paths if p.startswith((f"{graph}_data", f"{graph}.data")))),
    )


def _find_graph(
    model: str, paths: Collection[str], wish: Wish, preferred: Mapping[str, tuple[str, ...]]
) -> tuple[str, str]:
    if wish.precision.endswith(".onnx"):
        if wish.precision in paths:
            return wish.precision, _precision_of(wish.precision)
        raise _no_graph(model, paths, (wish.precision,), "")
    offered = {p: graph for p in PRECISIONS if (graph := _graph_of(p, paths, preferred))}
    wanted = PRECISIONS if wish.precision == "auto" else (wish.precision,)
    for precision in wanted:
        if precision in offered:
            return offered[precision], precision
    if len(offered) == 1 and not wish.strict:
        ((precision, graph),) = offered.items()
        return graph, precision
    looked_for = tuple(
        folder + name for precision in wanted for folder in FOLDERS for name in _GRAPHS[precision]
    )
    raise _no_graph(model, paths, looked_for, "" if wish.precision == "auto" else f"{wish.precision} ")


def _graph_of(precision: str, paths: Collection[str], preferred: Mapping[str, tuple[str, ...]]) -> str:
    # A preset may know better than the name: `model.onnx` can hold int8 weights.
    elsewhere = {names[0] for other, names in preferred.items() if other != precision}
    candidates = [*preferred.get(precision, ())[:1]]
    candidates += [folder + name for folder in FOLDERS for name in _GRAPHS[precision]]
    return next((path for path in candidates if path in paths and path not in elsewhere), "")


def _precision_of(graph: str) -> str:
    name = graph.rpartition("/")[2]
    return next((precision for precision, names in _GRAPHS.items() if name in names), "fp32")


def _beside(paths: Collection[str], folder: str, name: str) -> str:
    """The root's file is the original; an exporter's copy beside the graph serves where it is alone."""
    return next((path for path in (name, folder + name) if path in paths), "")


def _no_graph(
    model: str, paths: Collection[str], looked_for: tuple[str, ...], precision: str
) -> ModelFailedError:
    graphs = sorted(path for path in paths if path.endswith(".onnx"))
    shown = ", ".join(graphs[:12]) + (f" and {len(graphs) - 12} more" if len(graphs) > 12 else "")
    names = ", ".join(looked_for[:8]) + (", ..." if len(looked_for) > 8 else "")
    return ModelFailedError(
        f"model {model} has no usable {precision}ONNX file: looked for {names}; it has {shown or 'none'}",
        metadata={"model": model, "onnx_files": shown},
    )
