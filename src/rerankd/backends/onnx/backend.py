"""The ONNX backend: the port of `rerankd.backends.base`, and how a model's files become one."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from rerankd.backends.base import (
    BackendDescription,
    EncodedPair,
    EncodedQuery,
    EncodeOptions,
    Float32Array,
    ProgressReporter,
)
from rerankd.backends.onnx.contract import GraphContract, check_graph, check_vocabulary
from rerankd.backends.onnx.devices import EXECUTION_PROVIDERS, available_cores
from rerankd.backends.onnx.failures import short_cause
from rerankd.backends.onnx.golden import (
    GOLDEN_FILE,
    NEIGHBOURS_INT8,
    TOLERANCES,
    check_golden_pairs,
    check_scores,
)
from rerankd.backends.onnx.graph.cache import GraphCache
from rerankd.backends.onnx.graph.preparation import Preparation, StoredGraph
from rerankd.backends.onnx.graph_file import read_graph, tensors
from rerankd.backends.onnx.head import Head, read_head
from rerankd.backends.onnx.model_config import ModelConfig, read_model_config
from rerankd.backends.onnx.pairs import BatchAssembler, Feed, Pair, TokenizedQuery, WholePair
from rerankd.backends.onnx.session import GraphSource, OpenSessions
from rerankd.backends.onnx.settings import OnnxSettings, Precision, Provider
from rerankd.backends.onnx.token_cache import TokenCache
from rerankd.backends.onnx.tokenization import PairTokenizer, load_tokenizer, pad_token_id
from rerankd.backends.onnx.tuned_sessions import TunedSessions, Workload, open_tuned
from rerankd.backends.onnx.widen import stores_halves, widened
from rerankd.core.errors import BackendFailedError, InvalidRequestError, ModelFailedError
from rerankd.core.types import WarmupStage

if TYPE_CHECKING:
    from onnx import ModelProto

    from rerankd.artifacts.files import ModelFiles

_CPU_SHAPES_SECONDS = 0.25
_GPU_SHAPES_SECONDS = 5.0
"""Most time that representative shapes may take. A GPU chooses kernels and grows its memory on the
first batch of a size; a CPU only touches memory, which is not worth holding back the first request."""


_FLOAT_BYTES = 4


class OnnxBackend:
    """A loaded cross-encoder on ONNX Runtime.

    `encode_query` and `encode_documents` may run in any number of threads; `score` in one for each
    lane.
    """

    def __init__(
        self,
        *,
        description: BackendDescription,
        tokenizer: PairTokenizer,
        assembler: BatchAssembler,
        sessions: OpenSessions,
        output: str,
        head: Head,
    ) -> None:
        """Takes parts that belong together; `load` makes them."""
        self._description = description
        self._tokenizer = tokenizer
        self._assembler = assembler
        self._sessions = sessions.sessions
        self._output = output
        self._head = head

    @property
    def description(self) -> BackendDescription:
        """What this model is."""
        return self._description

    def encode_query(self, query: str) -> EncodedQuery:
        """Tokenizes the query.

        Raises:
            InvalidRequestError: The query leaves a document fewer than 16 tokens.
        """
        return self._tokenizer.encode_query(query)

    def encode_documents(
        self, query: EncodedQuery, texts: Sequence[str], options: EncodeOptions
    ) -> list[list[EncodedPair]]:
        """Pairs of each text: one, or the windows of a long one.

        Raises:
            DocumentTooLongError: With `REJECT`, for the first text that does not fit.
        """
        return self._tokenizer.encode_documents(cast("TokenizedQuery", query), texts, options)

    def score(self, pairs: Sequence[EncodedPair], lane: int) -> Float32Array:
        """Logits of the pairs, in order; non-finite ones are given as they are.

        Raises:
            BackendFailedError: The runtime raised.
        """
        if not pairs:
            return np.zeros(0, dtype=np.float32)
        feed = self._assembler.assemble(cast("Sequence[Pair]", pairs))
        try:
            (output,) = self._sessions[lane].run([self._output], feed)
        except Exception as error:  # The runtime has no common base class below Exception.
            raise _failed(len(pairs), error) from error
        return self._head.logits(np.asarray(output))

    def close(self) -> None:
        """Frees the sessions and with them the weights."""
        self._sessions = ()


def load(files: ModelFiles, settings: OnnxSettings, report: ProgressReporter) -> OnnxBackend:
    """Loads a model and proves that it works: contract, sessions, shapes, golden pairs.

    Takes from half a second to a minute and must not run on an event loop.

    Args:
        files: Complete and verified files of the model.
        settings: How to run it.
        report: Told of each stage as it begins and ends.

    Raises:
        ModelFailedError: The model cannot be served as it is; the message says why.
    """
    try:
        return _Loader(files, settings, report).load()
    except BackendFailedError as error:
        raise ModelFailedError(error.message) from error


class _Loader:
    """One load, stage by stage."""

    def __init__(self, files: ModelFiles, settings: OnnxSettings, report: ProgressReporter) -> None:
        self._files = files
        self._settings = settings
        self._report = report
        self._arithmetic = files.precision
        self._rewrites: tuple[str, ...] = ()
        self._rewritten_to = ""
        self._own_limit = 0

    def load(self) -> OnnxBackend:
        self._report(WarmupStage.VERIFY, 0.0, "reading the graph and the tokenizer")
        config = read_model_config(self._files)
        model = read_graph(self._files.graph)
        contract = check_graph(model, self._files.graph.parent)
        tokenizer, assembler = self._tokenizer(config, contract)
        self._report(WarmupStage.VERIFY, 1.0, "the graph is a cross-encoder")

        self._report(WarmupStage.SESSION, 0.0, "opening sessions")
        self._arithmetic = contract.arithmetic
        source = self._source(model, contract.output, tokenizer, assembler)
        weights_bytes = _FLOAT_BYTES * sum(math.prod(tensor.dims) for tensor in tensors(model))
        tuned = self._sessions(source, contract, tokenizer, assembler, weights_bytes)
        sessions = tuned.sessions
        del model, source  # As large as the weights.
        provider = EXECUTION_PROVIDERS[sessions.provider]
        notes = "; ".join(filter(None, (sessions.note, tuned.note, *self._rewrites)))
        self._report(WarmupStage.SESSION, 1.0, f"{provider} ({notes})" if notes else provider)

        self._report(WarmupStage.SHAPES, 0.0, "running representative shapes")
        head = _probe_head(sessions, assembler, contract, config)
        backend = OnnxBackend(
            description=self._describe(tokenizer, tuned),
            tokenizer=tokenizer,
            assembler=assembler,
            sessions=sessions,
            output=contract.output,
            head=head,
        )
        shapes = _run_shapes(backend, assembler)
        self._report(WarmupStage.SHAPES, 1.0, f"{shapes} shapes on each of {len(sessions.sessions)} lanes")

        self._report(WarmupStage.GOLDEN, 0.0, "checking scores")
        golden = self._check_scores(backend)
        self._report(WarmupStage.GOLDEN, 1.0, f"{golden} golden pairs as written")
        return backend

    def _tokenizer(
        self, config: ModelConfig, contract: GraphContract
    ) -> tuple[PairTokenizer, BatchAssembler]:
        library = load_tokenizer(self._files.tokenizer)
        check_vocabulary(contract, library.get_vocab_size(with_added_tokens=True))
        assembler = BatchAssembler(
            inputs=contract.inputs,
            pad_token_id=pad_token_id(library, config),
            first_position=config.first_position,
            type_vocab_size=config.type_vocab_size,
        )
        limit = self._own_limit = config.max_tokens
        if self._settings.max_tokens:
            limit = min(limit, self._settings.max_tokens)
        cache = TokenCache(size) if (size := self._settings.token_cache_bytes) else None
        return PairTokenizer(library, limit, cache), assembler

    def _source(
        self, model: ModelProto, output: str, tokenizer: PairTokenizer, assembler: BatchAssembler
    ) -> GraphSource:
        """The graph for a provider: widened where it must be, rewritten where it gains."""

        def feeds(pairs: Sequence[tuple[str, str]]) -> list[Feed]:
            batches = (_feed(tokenizer, assembler, query, document) for query, document in pairs)
            return [batch for batch in batches if batch is not None]

        preparation = Preparation(
            precision=self._settings.precision,
            threads=self._settings.threads or available_cores(),
            feeds=feeds,
            cache=GraphCache(self._settings.cache_dir) if self._settings.cache_dir is not None else None,
        )

        def source(provider: Provider) -> Path | bytes:
            self._check_precision(provider)
            stored = self._stored(model, output, provider)
            graph = preparation.prepare(stored, provider)
            if graph.arithmetic != stored.arithmetic:
                self._rewritten_to = graph.arithmetic
            self._arithmetic = graph.arithmetic
            self._rewrites = graph.applied
            return graph.content or stored.content

        return source

    def _check_precision(self, provider: Provider) -> None:
        if self._settings.precision is Precision.FP16 and provider is Provider.CPU:
            raise ModelFailedError(
                "precision fp16 was asked for, which needs a GPU: CPUs have no arithmetic for it; "
                "set onnx.precision to auto, fp32 or int8",
                metadata={"asked": "fp16", "provider": EXECUTION_PROVIDERS[provider]},
            )

    def _stored(self, model: ModelProto, output: str, provider: Provider) -> StoredGraph:
        halves_run = provider is not Provider.CPU and self._settings.precision is not Precision.FP32
        wide = None if halves_run or not stores_halves(model) else widened(model, self._files.graph.parent)
        if wide is None:
            content: Path | bytes = self._files.graph
            return StoredGraph(
                path=self._files.graph,
                model=model,
                content=content,
                output=output,
                arithmetic=self._arithmetic,
            )
        return StoredGraph(
            path=self._files.graph,
            model=type(model).FromString(wide),
            content=wide,
            output=output,
            arithmetic="fp32" if self._arithmetic in ("fp16", "bf16") else self._arithmetic,
        )

    def _sessions(
        self,
        source: GraphSource,
        contract: GraphContract,
        tokenizer: PairTokenizer,
        assembler: BatchAssembler,
        weights_bytes: int,
    ) -> TunedSessions:
        def feed(budget: int) -> tuple[Feed, int]:
            # As long as a usual passage with its query.
            length = min(96, tokenizer.max_tokens, budget)
            rows = max(1, budget // length)
            return assembler.assemble([_stand_in(assembler, length)] * rows), rows * length

        return open_tuned(
            source,
            self._settings,
            self._files.graph.parent,
            Workload(output=contract.output, feed=feed),
            weights_bytes=weights_bytes,
            known_as=(
                self._files.id,
                self._files.revision,
                self._files.graph.name,
                self._settings.precision.value,
                str(self._settings.max_tokens),
            ),
        )

    def _describe(self, tokenizer: PairTokenizer, tuned: TunedSessions) -> BackendDescription:
        sessions = tuned.sessions
        cpu = sessions.provider is Provider.CPU
        # A rewrite to a coarser arithmetic rewrites the weights too.
        stored = self._rewritten_to or self._files.precision
        plain = stored == self._arithmetic
        return BackendDescription(
            id=self._files.id,
            revision=self._files.revision,
            backend="onnx",
            device="cpu" if cpu else f"cuda:{self._settings.device_id}",
            provider=EXECUTION_PROVIDERS[sessions.provider],
            precision=self._arithmetic if plain else f"{self._arithmetic}, {stored} weights",
            max_tokens=tokenizer.max_tokens,
            batch_tokens=tuned.batch_tokens,
            lanes=len(sessions.sessions),
            license=self._files.license,
        )

    def _check_scores(self, backend: OnnxBackend) -> int:
        def score(query: str, documents: Sequence[str]) -> Float32Array:
            pairs = backend.encode_documents(backend.encode_query(query), documents, EncodeOptions())
            return backend.score([pair for windows in pairs for pair in windows], 0)

        tolerance = TOLERANCES[self._arithmetic]
        # Our own int8 keeps rows apart; that of a stranger's graph may scale by the whole batch.
        check_scores(score, NEIGHBOURS_INT8 if self._rewritten_to == "int8" else tolerance)
        fits = partial(_fits, backend, self._own_limit)
        return check_golden_pairs(self._files.tokenizer.parent / GOLDEN_FILE, score, tolerance, fits)


def _fits(backend: OnnxBackend, own_limit: int, query: str, document: str) -> bool:
    """Whether a pair is read as far as the model's own limit lets it be."""
    if backend.description.max_tokens >= own_limit:
        return True
    try:
        pairs = backend.encode_documents(backend.encode_query(query), [document], EncodeOptions())
    except InvalidRequestError:
        return False
    return all(pair.dropped_tokens == 0 for windows in pairs for pair in windows)


def _feed(tokenizer: PairTokenizer, assembler: BatchAssembler, query: str, document: str) -> Feed | None:
    """A pair as a batch of its own; None where the model is too short for the query."""
    try:
        encoded = tokenizer.encode_query(query)
    except InvalidRequestError:
        return None
    (windows,) = tokenizer.encode_documents(encoded, [document], EncodeOptions())
    return assembler.assemble(cast("Sequence[Pair]", windows))


def _probe_head(
    sessions: OpenSessions, assembler: BatchAssembler, contract: GraphContract, config: ModelConfig
) -> Head:
    """Runs two short pairs: what comes out tells more than what the graph declares."""
    rows = 2
    feed = assembler.assemble([_stand_in(assembler, 16)] * rows)
    try:
        (output,) = sessions.sessions[0].run([contract.output], feed)
    except Exception as error:  # The runtime has no common base class below Exception.
        raise _failed(rows, error) from error
    return read_head(np.asarray(output).shape, rows, config.positive_class)


def _run_shapes(backend: OnnxBackend, assembler: BatchAssembler) -> int:
    """Runs the shapes of a lone request, of a usual batch and of the largest one; gives how many ran."""
    longest = backend.description.max_tokens
    budget = backend.description.batch_tokens
    shapes = [(1, min(16, longest)), (4, min(128, longest)), (max(1, budget // longest), longest)]
    gpu = backend.description.device != "cpu"
    end = time.monotonic() + (_GPU_SHAPES_SECONDS if gpu else _CPU_SHAPES_SECONDS)
    seconds_per_token = 0.0
    for done, (rows, tokens) in enumerate(shapes):
        if time.monotonic() + seconds_per_token * rows * tokens * backend.description.lanes > end:
            return done
        start = time.monotonic()
        for lane in range(backend.description.lanes):
            backend.score([_stand_in(assembler, tokens)] * rows, lane)
        seconds_per_token = (time.monotonic() - start) / (rows * tokens * backend.description.lanes)
    return len(shapes)


def _stand_in(assembler: BatchAssembler, tokens: int) -> WholePair:
    """A pair of the given length whose text does not matter."""
    ids = np.full(tokens, assembler.pad_token_id + 1 if assembler.pad_token_id == 0 else 0, dtype=np.int32)
    types = np.zeros(tokens, dtype=np.int32)
    return WholePair(ids=ids, types=types, dropped_tokens=0, start_char=0, end_char=0)


def _failed(rows: int, error: Exception) -> BackendFailedError:
    return BackendFailedError(f"the model failed on a batch of {rows} pairs: {short_cause(error)}")
