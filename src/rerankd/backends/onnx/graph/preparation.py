"""From a stored graph to the one that is served: which rewrites, each proved, and kept on disk."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rerankd.backends.base import Float32Array
from rerankd.backends.onnx.external_data import EXTERNAL
from rerankd.backends.onnx.failures import short_cause
from rerankd.backends.onnx.graph import (
    absorbed_projections,
    calibration,
    first_row,
    folded_scales,
    half,
    int8,
    moved_biases,
    one_operator,
)
from rerankd.backends.onnx.graph.cache import GraphCache, RewrittenGraph, graph_key
from rerankd.backends.onnx.graph.opset import raise_opset
from rerankd.backends.onnx.graph.verification import (
    coarse_difference,
    exact_difference,
    half_difference,
)
from rerankd.backends.onnx.graph.view import GraphView, NotApplicableError
from rerankd.backends.onnx.graph_file import LARGEST_MESSAGE, tensors
from rerankd.backends.onnx.pairs import Feed
from rerankd.backends.onnx.session import verification_session
from rerankd.backends.onnx.settings import Precision, Provider

if TYPE_CHECKING:
    from onnx import ModelProto

logger = logging.getLogger(__name__)

VERSION = "4"
"""To be raised whenever a rewrite makes another graph of the same one."""

CPU_REWRITES = (
    folded_scales.NAME,
    moved_biases.NAME,
    first_row.NAME,
    absorbed_projections.NAME,
    one_operator.NAME,
    int8.NAME,
)
"""All that may be said to be applied where a CPU serves, in their order."""

_Rewrite = Callable[["ModelProto"], bytes]
_Difference = Callable[[Sequence[Float32Array], Sequence[Float32Array]], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredGraph:
    """A graph as it was found, or widened to what a provider can compute."""

    path: Path
    model: ModelProto
    content: Path | bytes
    """What a session is opened on when nothing is rewritten."""
    output: str
    arithmetic: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """How graphs are rewritten for one load."""

    precision: Precision
    threads: int
    feeds: Callable[[Sequence[tuple[str, str]]], list[Feed]]
    """Makes one batch of each pair of a query and a document."""
    cache: GraphCache | None = None

    def prepare(self, stored: StoredGraph, provider: Provider) -> RewrittenGraph:
        """The graph to serve; what was rewritten before comes from the disk."""
        key = self._key(stored, provider) if self.cache is not None else ""
        known = self.cache.read(key) if self.cache is not None else None
        graph = known or _Rewriting(self, stored, provider).run()
        if self.cache is not None and known is None:
            self.cache.write(key, graph)
        logger.info(
            "graph prepared",
            extra={
                "precision": graph.arithmetic,
                "applied": list(graph.applied),
                "skipped": list(graph.skipped),
                "from_disk": known is not None,
            },
        )
        return graph

    def _key(self, stored: StoredGraph, provider: Provider) -> str:
        import onnxruntime

        external = {
            entry.value
            for tensor in tensors(stored.model)
            if tensor.data_location == EXTERNAL
            for entry in tensor.external_data
            if entry.key == "location"
        }
        parts = (VERSION, self.precision.value, provider.value, stored.arithmetic, onnxruntime.__version__)
        return graph_key(stored.path, external, *parts)


class _Rewriting:
    """The rewrites of one graph, in order; each starts from what the ones before have proved."""

    def __init__(self, preparation: Preparation, stored: StoredGraph, provider: Provider) -> None:
        self._preparation = preparation
        self._stored = stored
        self._provider = provider
        self._folder = stored.path.parent
        self._model = stored.model
        self._narrow: frozenset[str] = frozenset()
        self._graph = RewrittenGraph(content=b"", arithmetic=stored.arithmetic)
        self._wanted: list[Float32Array] = []

    def run(self) -> RewrittenGraph:
        self._try_exact()
        precision = self._preparation.precision
        if precision is Precision.INT8:
            self._try(int8.NAME, self._int8, coarse_difference, "int8")
        elif precision is Precision.FP16 and self._stored.arithmetic == "fp32":
            for way in half.WAYS:
                if self._graph.arithmetic != "fp16":
                    self._try(way, partial(self._half, way), half_difference, "fp16")
        return self._graph

    def _try_exact(self) -> None:
        """Proves the exact rewrites together, which is most of their cost; one by one if that fails."""
        arithmetic = self._stored.arithmetic
        rewrites = (
            # Scales first: they are found by shapes, which the first row makes harder to read.
            (folded_scales.NAME, self._folded_scales),
            (moved_biases.NAME, self._moved_biases),
            (first_row.NAME, self._first_row),
            (absorbed_projections.NAME, self._absorbed_projections),
            # Last: the others find attention by its parts.
            (one_operator.NAME, self._one_operator),
        )
        before = self._state()
        applied = [self._apply(name, rewrite, arithmetic) for name, rewrite in rewrites]
        if any(applied) and self._problem(exact_difference) is not None:
            self._restore(before)
            for name, rewrite in rewrites:
                self._try(name, rewrite, exact_difference, arithmetic)

    def _try(self, name: str, rewrite: _Rewrite, differs: _Difference, arithmetic: str) -> None:
        """Applies a rewrite if the graph has a place for it and its scores are proved."""
        before = self._state()
        if not self._apply(name, rewrite, arithmetic):
            return
        problem = self._problem(differs)
        if problem is not None:
            self._restore(before)
            logger.warning("a rewritten graph is not served", extra={"rewrite": name, "reason": problem})
            self._skip(name, problem)

    def _apply(self, name: str, rewrite: _Rewrite, arithmetic: str) -> bool:
        """Applies a rewrite, unproved; tells whether the graph has a place for it."""
        copy = type(self._model)()
        copy.CopyFrom(self._model)
        try:
            content = rewrite(copy)
        except NotApplicableError as reason:
            self._skip(name, str(reason))
            return False
        self._model = copy
        self._graph = replace(
            self._graph, content=content, arithmetic=arithmetic, applied=(*self._graph.applied, name)
        )
        return True

    def _state(self) -> tuple[ModelProto, frozenset[str], RewrittenGraph]:
        return self._model, self._narrow, self._graph

    def _restore(self, state: tuple[ModelProto, frozenset[str], RewrittenGraph]) -> None:
        self._model, self._narrow, self._graph = state

    def _skip(self, name: str, reason: str) -> None:
        self._graph = replace(self._graph, skipped=(*self._graph.skipped, f"{name}: {reason}"))

    def _folded_scales(self, model: ModelProto) -> bytes:
        folded_scales.apply(GraphView(model, self._folder))
        return _serialized(model)

    def _first_row(self, model: ModelProto) -> bytes:
        self._narrow = first_row.apply(GraphView(model, self._folder))
        return _serialized(model)

    def _moved_biases(self, model: ModelProto) -> bytes:
        self._need_cpu()
        moved_biases.apply(GraphView(model, self._folder))
        return _serialized(model)

    def _absorbed_projections(self, model: ModelProto) -> bytes:
        self._need_cpu()
        absorbed_projections.apply(GraphView(model, self._folder), self._narrow)
        return _serialized(model)

    def _one_operator(self, model: ModelProto) -> bytes:
        self._need_cpu()
        one_operator.check(GraphView(model, self._folder))
        raise_opset(model, one_operator.OPSET)
        one_operator.apply(GraphView(model, self._folder))
        return _serialized(model)

    def _need_cpu(self) -> None:
        # A GPU is not short of arithmetic but of launches, and its provider fuses attention by its pattern.
        if self._provider is not Provider.CPU:
            raise NotApplicableError("it is measured on CPUs only")

    def _half(self, way: str, model: ModelProto) -> bytes:
        names = half.outputs_to_observe(model, way)
        try:
            session = self._open(calibration.with_outputs(model, names))
            feeds = self._preparation.feeds(calibration.sample_pairs())
            largest = calibration.largest(session, names, feeds)
        except Exception as error:  # The runtime has no common base class below Exception.
            raise NotApplicableError(f"its values cannot be watched: {short_cause(error)}") from error
        half.check_range(largest)
        make = half.with_half_products if way == half.PRODUCTS else half.converted
        return make(model, self._folder)

    def _int8(self, model: ModelProto) -> bytes:
        if self._provider is not Provider.CPU:
            raise NotApplicableError("it is made for CPUs")
        view = GraphView(model, self._folder)
        names = int8.inputs_to_observe(view, self._narrow)
        session = self._open(calibration.with_outputs(model, names))
        feeds = self._preparation.feeds(calibration.sample_pairs())
        int8.apply(view, self._narrow, calibration.observe(session, names, feeds))
        return _serialized(model)

    def _problem(self, differs: _Difference) -> str | None:
        """Why the graph as it is now may not be served; None where it may."""
        feeds = self._preparation.feeds(calibration.check_pairs())
        try:
            self._wanted = self._wanted or self._results(self._stored.content, feeds)
            return differs(self._wanted, self._results(self._graph.content, feeds))
        except Exception as error:  # The runtime has no common base class below Exception.
            return f"it cannot be compared: {short_cause(error)}"

    def _results(self, graph: Path | bytes, feeds: Sequence[Feed]) -> list[Float32Array]:
        session = self._open(graph)
        return [np.asarray(session.run([self._stored.output], feed)[0], dtype=np.float32) for feed in feeds]

    def _open(self, graph: Path | bytes):  # type: ignore[no-untyped-def]
        return verification_session(graph, self._folder, self._preparation.threads)


def _serialized(model: ModelProto) -> bytes:
    if model.ByteSize() > LARGEST_MESSAGE:
        raise NotApplicableError("the graph would be larger than an ONNX file may be")
    content: bytes = model.SerializeToString()
    return content
