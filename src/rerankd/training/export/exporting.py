"""The whole export: graphs, golden pairs, parity, model card, checksums."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from rerankd.artifacts.checksums import SUMS_FILE, sha256_of
from rerankd.artifacts.layout import CONFIG, TOKENIZER
from rerankd.backends.onnx import Precision
from rerankd.backends.onnx.golden import GOLDEN_FILE
from rerankd.backends.onnx.graph import int8
from rerankd.backends.onnx.graph.preparation import CPU_REWRITES
from rerankd.core.errors import ModelFailedError
from rerankd.training.durable import new_file, sync_directory
from rerankd.training.export.card import ModelFacts, model_card
from rerankd.training.export.golden import golden_pairs
from rerankd.training.export.parity import (
    DevQuery,
    Logits,
    Parity,
    ServedScores,
    TorchScores,
    all_scores,
    compare,
)
from rerankd.training.export.storage import with_int8_weights
from rerankd.training.export.tracing import traced

if TYPE_CHECKING:
    from onnx import ModelProto
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

CARD = "MODEL_CARD.md"
PARITY = "parity.json"
MOST_CHANGE = 1e-4
"""Largest difference of a logit between torch and the fp32 graph."""

_MOST_QUERIES = 200
"""Compared at most: each pair is computed four times."""

_GRAPHS = {"fp32": "model.onnx", "int8": "model_int8.onnx"}
_STORAGE = {
    "fp32": "float32",
    "int8": "int8, one scale for each channel, behind DequantizeLinear; arithmetic is float32 unless served "
    "with `onnx.precision: int8`",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedModel:
    """A directory that serves."""

    precision: str
    """`fp32`, or `int8`: weights stored as int8, served with `OnnxSettings(precision=Precision.INT8)`."""
    directory: Path
    revision: str
    """As DirectoryModel gives it."""
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What was written, and how it compares; kept as `parity.json` beside the directories."""

    models: tuple[ExportedModel, ...]
    fp32: Parity
    """torch against the fp32 graph, both in the arithmetic of this machine."""
    int8_weights: Parity
    """The fp32 graph against the int8 directory in float arithmetic."""
    int8: Parity | None
    """The fp32 graph against the int8 directory as it serves: int8 products. None where the serving backend
    refuses them for this model."""
    int8_refused: str
    """Why, then."""
    rewrites: tuple[str, ...]
    """Rewrites of the serving backend that apply to the graph."""
    skipped_queries: int
    """Dev queries that leave a document no room."""

    def as_record(self) -> dict[str, object]:
        """For JSON."""
        return {
            "models": [
                {
                    "precision": model.precision,
                    "directory": model.directory.name,
                    "revision": model.revision,
                    "size_bytes": model.size_bytes,
                }
                for model in self.models
            ],
            "fp32": self.fp32.as_record(),
            "int8_weights": self.int8_weights.as_record(),
            "int8": None if self.int8 is None else self.int8.as_record(),
            "int8_refused": self.int8_refused,
            "rewrites": list(self.rewrites),
            "skipped_queries": self.skipped_queries,
        }


def export(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    target: Path,
    *,
    facts: ModelFacts,
    dev: Sequence[DevQuery],
    max_tokens: int = 0,
    threads: int = 0,
) -> ExportReport:
    """Writes `target/fp32`, `target/int8` and `target/parity.json`; `target` is replaced as a whole.

    Args:
        model: A sequence classifier of transformers with one label; it is moved to the CPU, in float32.
        tokenizer: Its fast tokenizer.
        target: Directory of the export.
        facts: For the model card.
        dev: Real queries with their candidates, for the parity.
        max_tokens: Tokens of a pair in the comparison; 0 = what the model reads.
        threads: Threads of the comparison; 0 = the cores that this process may use.

    Raises:
        ModelFailedError: The graph differs from the model by more than 1e-4, or cannot be made.
    """
    staged = target.with_name(f".{target.name}.part")
    shutil.rmtree(staged, ignore_errors=True)
    try:
        report = _Export(
            cast("Any", model).cpu().float().eval(),
            tokenizer,
            staged,
            facts,
            dev[:_MOST_QUERIES],
            max_tokens,
            threads,
        ).run()
        shutil.rmtree(target, ignore_errors=True)
        staged.rename(target)
        sync_directory(target.parent)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    models = tuple(
        ExportedModel(
            precision=made.precision,
            directory=target / made.directory.name,
            revision=made.revision,
            size_bytes=made.size_bytes,
        )
        for made in report.models
    )
    return ExportReport(**{**_fields(report), "models": models})


def _fields(report: ExportReport) -> dict[str, Any]:
    return {name: getattr(report, name) for name in report.__dataclass_fields__}


class _Export:
    """One export into a directory that is not there yet."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        directory: Path,
        facts: ModelFacts,
        dev: Sequence[DevQuery],
        max_tokens: int,
        threads: int,
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._directory = directory
        self._facts = facts
        self._dev = dev
        self._max_tokens = max_tokens
        self._threads = threads

    def run(self) -> ExportReport:
        graph = traced(self._model, self._tokenizer)
        self._write_model("fp32", graph)
        self._write_model("int8", with_int8_weights(graph))
        del graph

        plain = self._served("fp32", Precision.AUTO)
        queries = [query for query in self._dev if plain.takes(query)]
        torch = TorchScores(self._model, self._tokenizer, plain.max_tokens)
        trained, exported = all_scores(torch, queries), all_scores(plain, queries)
        fp32 = compare(queries, trained, exported)
        if not fp32.max_logit_change <= MOST_CHANGE:
            raise ModelFailedError(
                f"the exported graph changes a logit by {fp32.max_logit_change:.2g}; "
                f"{MOST_CHANGE:g} is allowed"
            )
        plain.close()
        for precision in _GRAPHS:
            self._write_golden(precision)
        int8_weights = self._compared(queries, exported, Precision.AUTO)
        products, refused, notes = self._int8_products(queries, exported)
        rewrites = tuple(name for name in CPU_REWRITES if name in f"{plain.notes}; {notes}")
        parities = {"torch, fp32 graph": fp32, "fp32 graph, int8 weights": int8_weights}
        if products is not None:
            parities["fp32 graph, int8 products"] = products
        self._write_cards(parities, rewrites, plain.max_tokens)
        report = ExportReport(
            models=tuple(self._finished(precision) for precision in _GRAPHS),
            fp32=fp32,
            int8_weights=int8_weights,
            int8=products,
            int8_refused=refused,
            rewrites=rewrites,
            skipped_queries=len(self._dev) - len(queries),
        )
        self._write(self._directory / PARITY, json.dumps(report.as_record(), indent=2).encode())
        sync_directory(self._directory)
        return report

    def _served(self, name: str, precision: Precision) -> ServedScores:
        return ServedScores(
            self._directory / name, precision, max_tokens=self._max_tokens, threads=self._threads
        )

    def _compared(
        self, queries: Sequence[DevQuery], before: Sequence[Logits], precision: Precision
    ) -> Parity:
        served = self._served("int8", precision)
        try:
            return compare(queries, before, all_scores(served, queries))
        finally:
            served.close()

    def _int8_products(
        self, queries: Sequence[DevQuery], before: Sequence[Logits]
    ) -> tuple[Parity | None, str, str]:
        """Their parity, or why there is none; and what the backend says of the session."""
        try:
            served = self._served("int8", Precision.INT8)
        except ModelFailedError as error:
            return None, error.message, ""
        try:
            if int8.NAME not in served.notes:
                return None, "the serving backend keeps the float arithmetic for this model", served.notes
            return compare(queries, before, all_scores(served, queries)), "", served.notes
        finally:
            served.close()

    def _write_model(self, precision: str, graph: ModelProto) -> None:
        folder = self._directory / precision
        folder.mkdir(parents=True)
        self._write(folder / _GRAPHS[precision], graph.SerializeToString())
        self._write(folder / TOKENIZER, self._tokenizer_file())
        self._write(folder / CONFIG, json.dumps(_config(self._model), indent=2).encode() + b"\n")

    def _tokenizer_file(self) -> bytes:
        backend = getattr(self._tokenizer, "backend_tokenizer", None)
        if backend is None:
            raise ModelFailedError("the tokenizer is not a fast one; a server reads only tokenizer.json")
        content: str = backend.to_str(pretty=True)
        return content.encode()

    def _write_golden(self, precision: str) -> None:
        folder = self._directory / precision
        # At the model's own limit, whatever the comparison is made at.
        served = ServedScores(folder, Precision.AUTO, max_tokens=0, threads=self._threads)

        def score(query: str, documents: Sequence[str]) -> Logits:
            labels = (0.0,) * len(documents)
            return np.asarray(served.score(DevQuery(query=query, texts=tuple(documents), labels=labels)))

        self._write(folder / GOLDEN_FILE, golden_pairs(score))
        served.close()

    def _write_cards(self, parities: dict[str, Parity], rewrites: tuple[str, ...], max_tokens: int) -> None:
        for precision, storage in _STORAGE.items():
            card = model_card(
                self._facts,
                storage=storage,
                parameters=sum(parameter.numel() for parameter in self._model.parameters()),
                max_tokens=max_tokens,
                parities=parities,
                rewrites=rewrites,
            )
            self._write(self._directory / precision / CARD, card.encode())

    def _finished(self, precision: str) -> ExportedModel:
        """Sums, and the proof that the directory loads with them."""
        folder = self._directory / precision
        names = sorted(path.name for path in folder.iterdir())
        sums = "".join(f"{sha256_of(folder / name)}  {name}\n" for name in names)
        self._write(folder / SUMS_FILE, sums.encode())
        sync_directory(folder)
        served = self._served(precision, Precision.AUTO)
        served.close()
        return ExportedModel(
            precision=precision,
            directory=folder,
            revision=served.revision,
            size_bytes=sum(path.stat().st_size for path in folder.iterdir()),
        )

    def _write(self, path: Path, content: bytes) -> None:
        with new_file(path) as file:
            file.write(content)


def _config(model: PreTrainedModel) -> dict[str, Any]:
    from rerankd.training.modeling import SegmentGatedModel
    from rerankd.training.modeling.base_models import serving_config

    if isinstance(model, SegmentGatedModel):
        return serving_config(model)
    config: dict[str, Any] = model.config.to_dict()
    # Of the checkpoint it was trained from, and where that lay.
    for name in ("_name_or_path", "transformers_version", "torch_dtype", "dtype"):
        config.pop(name, None)
    return config
