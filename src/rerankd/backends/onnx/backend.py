"""The ONNX backend: the port of `rerankd.backends.base`, and how a model's files become one."""

from __future__ import annotations

import contextlib
import math
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
from rerankd.backends.onnx.device.agreement import SAMPLES, Samples, on_cpu
from rerankd.backends.onnx.device.opening import PLACES, Runners, open_runners
from rerankd.backends.onnx.device.providers import ModelShape
from rerankd.backends.onnx.devices import EXECUTION_PROVIDERS, available_cores
from rerankd.backends.onnx.failures import batch_failed
from rerankd.backends.onnx.golden import (
    GOLDEN_FILE,
    NEIGHBOURS_INT8,
    TOLERANCES,
    check_golden_pairs,
    check_scores,
)
from rerankd.backends.onnx.graph.cache import GraphCache
from rerankd.backends.onnx.graph.calibration import check_pairs
from rerankd.backends.onnx.graph.preparation import Preparation, StoredGraph
from rerankd.backends.onnx.graph_file import read_graph, tensors
from rerankd.backends.onnx.head import Head
from rerankd.backends.onnx.model_config import ModelConfig, read_model_config
from rerankd.backends.onnx.pairs import BatchAssembler, Feed, Pair, TokenizedQuery, stand_in
from rerankd.backends.onnx.precision import check_precision
from rerankd.backends.onnx.session import GraphSource, OpenSessions
from rerankd.backends.onnx.settings import OnnxSettings, Precision, Provider
from rerankd.backends.onnx.token_cache import TokenCache
from rerankd.backends.onnx.tokenization import PairTokenizer, load_tokenizer, pad_token_id
from rerankd.backends.onnx.tuned_sessions import TunedSessions, Workload, open_tuned
from rerankd.backends.onnx.warm_shapes import probe_head, run_shapes
from rerankd.backends.onnx.widen import stores_halves, widened
from rerankd.core.errors import BackendFailedError, InvalidRequestError, ModelFailedError
from rerankd.core.types import WarmupStage

if TYPE_CHECKING:
    from onnx import ModelProto

    from rerankd.artifacts.files import ModelFiles

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
        runners: Runners,
        head: Head,
    ) -> None:
        """Takes parts that belong together; `load` makes them."""
        self._description = description
        self._tokenizer = tokenizer
        self._runners = runners
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
        try:
            output = self._runners.lanes[lane].run(cast("Sequence[Pair]", pairs))
        except Exception as error:  # The runtime has no common base class below Exception.
            raise batch_failed(len(pairs), error) from error
        return self._head.logits(output)

    def padded_tokens(self, pairs: Sequence[EncodedPair]) -> int:
        """Tokens that a micro-batch costs, counting padding."""
        return self._runners.lanes[0].padded_tokens([pair.tokens for pair in pairs])

    def close(self) -> None:
        """Frees the sessions and with them the weights."""
        self._runners.close()


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
        self._samples = Samples()

    def load(self) -> OnnxBackend:
        self._report(WarmupStage.VERIFY, 0.0, "reading the graph and the tokenizer")
        config = read_model_config(self._files)
        model = read_graph(self._files.graph)
        contract = check_graph(model, self._files.graph.parent)
        tokenizer, assembler = self._tokenizer(config, contract)
        self._report(WarmupStage.VERIFY, 1.0, f"the graph is a cross-encoder, read by {tokenizer.library}")

        self._report(WarmupStage.SESSION, 0.0, "opening sessions")
        self._arithmetic = contract.arithmetic
        source = self._source(model, contract.output, tokenizer, assembler)
        weights_bytes = _FLOAT_BYTES * sum(math.prod(tensor.dims) for tensor in tensors(model))
        tuned = self._sessions(source, contract, tokenizer, assembler, weights_bytes)
        sessions = tuned.sessions
        del model, source  # As large as the weights.
        runners = open_runners(
            tuned,
            self._settings,
            assembler=assembler,
            output=contract.output,
            max_tokens=tokenizer.max_tokens,
        )
        provider = EXECUTION_PROVIDERS[sessions.provider]
        notes = "; ".join(filter(None, (sessions.note, tuned.note, runners.note, *self._rewrites)))
        self._report(WarmupStage.SESSION, 1.0, f"{provider} ({notes})" if notes else provider)

        description = self._describe(tokenizer, sessions, runners)
        try:
            self._report(WarmupStage.SHAPES, 0.0, "running representative shapes")
            head = probe_head(runners.lanes[0], assembler, config.positive_class)
            backend = OnnxBackend(description=description, tokenizer=tokenizer, runners=runners, head=head)
            shapes = run_shapes(backend, assembler)
            self._report(WarmupStage.SHAPES, 1.0, f"{shapes} shapes on each of {len(runners.lanes)} lanes")

            self._report(WarmupStage.GOLDEN, 0.0, "checking scores")
            compared = self._samples.check(runners.lanes[0], self._arithmetic)
            golden = self._check_scores(backend)
            beside = f", {compared} pairs as on the CPU" if compared else ""
            self._report(WarmupStage.GOLDEN, 1.0, f"{golden} golden pairs as written{beside}")
        except BaseException:
            runners.close()
            raise
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
        return PairTokenizer(library, limit, cache, self._settings.tokenizer), assembler

    def _source(
        self, model: ModelProto, output: str, tokenizer: PairTokenizer, assembler: BatchAssembler
    ) -> GraphSource:
        """The graph for a provider: widened where it must be, rewritten where it gains."""

        def feeds(pairs: Sequence[tuple[str, str]]) -> list[Feed]:
            return [assembler.assemble([pair]) for pair in _encoded(tokenizer, pairs)]

        preparation = Preparation(
            precision=self._settings.precision,
            threads=self._settings.threads or available_cores(),
            feeds=feeds,
            cache=GraphCache(self._settings.cache_dir) if self._settings.cache_dir is not None else None,
        )

        def source(provider: Provider) -> Path | bytes:
            check_precision(self._settings.precision, provider)
            stored = self._stored(model, output, provider)
            graph = preparation.prepare(stored, provider)
            if graph.arithmetic != stored.arithmetic:
                self._rewritten_to = graph.arithmetic
            self._arithmetic = graph.arithmetic
            if self._settings.precision is Precision.BF16:
                # The graph stays as it is: TensorRT rounds where it finds it faster.
                self._arithmetic = "bf16"
            self._rewrites = graph.applied
            if provider in PLACES:
                self._samples = self._samples_of(stored, output, tokenizer, assembler)
            return graph.content or stored.content

        return source

    def _samples_of(
        self, stored: StoredGraph, output: str, tokenizer: PairTokenizer, assembler: BatchAssembler
    ) -> Samples:
        """What an accelerator's results are compared with."""
        folder = self._files.graph.parent
        # CPUs run halves slowly or, of bf16, not at all.
        wide = widened(stored.model, folder) if stores_halves(stored.model) else None
        pairs = _encoded(tokenizer, check_pairs()[:SAMPLES])
        return on_cpu(wide or stored.content, folder, output, assembler, pairs)

    def _stored(self, model: ModelProto, output: str, provider: Provider) -> StoredGraph:
        wide_wanted = self._settings.precision in (Precision.FP32, Precision.BF16)
        halves_run = provider is not Provider.CPU and not wide_wanted
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
            return assembler.assemble([stand_in(assembler, length)] * rows), rows * length

        known_as = (
            self._files.id,
            self._files.revision,
            self._files.graph.name,
            self._settings.precision.value,
            str(self._settings.max_tokens),
        )

        return open_tuned(
            source,
            self._settings,
            self._files.graph.parent,
            Workload(output=contract.output, feed=feed),
            weights_bytes=weights_bytes,
            known_as=known_as,
            model=ModelShape(
                inputs=tuple(contract.inputs),
                max_tokens=tokenizer.max_tokens,
                arithmetic=lambda: self._arithmetic,
                known_as=known_as,
            ),
        )

    def _describe(
        self, tokenizer: PairTokenizer, sessions: OpenSessions, runners: Runners
    ) -> BackendDescription:
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
            batch_tokens=runners.batch_tokens,
            lanes=len(runners.lanes),
            lanes_take_turns=sessions.provider in PLACES,
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


def _encoded(tokenizer: PairTokenizer, texts: Sequence[tuple[str, str]]) -> list[Pair]:
    """Pairs of a query and a document, without those whose query the model is too short for."""
    pairs: list[Pair] = []
    for query, document in texts:
        with contextlib.suppress(InvalidRequestError):
            encoded = tokenizer.encode_query(query)
            (windows,) = tokenizer.encode_documents(encoded, [document], EncodeOptions())
            pairs += cast("Sequence[Pair]", windows)
    return pairs
