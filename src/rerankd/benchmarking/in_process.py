"""A model in this process, behind the engine that a server has."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence

from rerankd.assembly import StartupError, build_engine, is_directory
from rerankd.benchmarking.fit import Call
from rerankd.benchmarking.subject import Facts, Packed, SubjectFailedError, computes_in
from rerankd.config import Config
from rerankd.core.engine import Engine, Request
from rerankd.core.errors import RerankdError
from rerankd.core.loaded import LocalModel
from rerankd.core.memory import resident_bytes
from rerankd.core.registry import StageEvent
from rerankd.core.stream_events import Chunk, Emit, Scores, StreamRequest
from rerankd.core.telemetry import BatchRun, Dropped
from rerankd.core.types import Document, Options, Priority, Ranking

CHUNK_DOCUMENTS = 128
MOST_DOCUMENTS = 10_000
_MIB = 1024 * 1024


class Packing:
    """Counts what a scheduler packs into micro-batches."""

    def __init__(self) -> None:
        self.tokens = 0
        self.padded = 0

    def on_batch(self, batch: BatchRun) -> None:
        """Adds a micro-batch."""
        self.tokens += batch.tokens
        self.padded += batch.padded_tokens

    def on_wait(self, priority: Priority, seconds: float) -> None:
        """Nothing to count."""

    def on_scored(self, model: str, documents: int, tokens: int) -> None:
        """Nothing to count."""

    def on_dropped(self, why: Dropped, documents: int) -> None:
        """Nothing to count."""

    def on_ended(self, tokens: int) -> None:
        """Nothing to count."""


class EngineSubject:
    """One model with one precision and number of lanes; made by `load_engine`."""

    def __init__(self, engine: Engine, config: Config, facts: Facts) -> None:
        self._engine = engine
        self._config = config
        self._packing = Packing()
        engine.telemetry.work = self._packing
        self.facts = facts
        self.most_documents = engine.limits.max_documents

    @property
    def packed(self) -> Packed:
        """Tokens of all micro-batches so far."""
        return Packed(tokens=self._packing.tokens, padded=self._packing.padded)

    async def rank(self, query: str, texts: Sequence[str]) -> Call:
        """One unary call through the engine."""
        started = time.perf_counter()
        ranking = await self._rank(query, texts)
        return _call(ranking, time.perf_counter() - started, None)

    async def stream(self, query: str, texts: Sequence[str]) -> Call:
        """One stream through the engine, in chunks as the clients send them."""
        request = StreamRequest(query=query, options=Options(top_n=10), emit=Emit.SCORES)
        started = time.perf_counter()
        first: float | None = None
        ranking: Ranking | None = None
        try:
            async for event in self._engine.rerank_stream(request, _chunks(texts)):
                if isinstance(event, Ranking):
                    ranking = event
                elif isinstance(event, Scores) and first is None:
                    first = time.perf_counter() - started
        except RerankdError as error:
            raise failed(error) from error
        if ranking is None:
            raise SubjectFailedError("the stream ended without a ranking")
        return _call(ranking, time.perf_counter() - started, first)

    async def logits(self, query: str, texts: Sequence[str]) -> list[float]:
        """Logits by a unary call."""
        ranking = await self._rank(query, texts, Options(raw_scores=True))
        scores = {result.index: result.score for result in ranking.results}
        return [scores[index] for index in range(len(texts))]

    def config_with(self, lanes: int) -> Config:
        """What loads the same with another number of lanes."""
        onnx = self._config.onnx.model_copy(update={"lanes": lanes, "batch_tokens": self.facts.batch_tokens})
        return self._config.model_copy(update={"onnx": onnx})

    async def close(self) -> None:
        """Frees the model."""
        await self._engine.registry.close()
        self._engine.close()

    async def _rank(self, query: str, texts: Sequence[str], options: Options | None = None) -> Ranking:
        documents = [Document(text=text) for text in texts]
        request = Request(query=query, documents=documents, options=options or Options(), use_cache=False)
        try:
            return await self._engine.rerank(request)
        except RerankdError as error:
            raise failed(error) from error


async def load_engine(
    config: Config, on_stage: Callable[[StageEvent], None], *, warm_up: tuple[str, Sequence[str]]
) -> EngineSubject:
    """Loads the default model of a configuration and ranks once, so that what is measured is warm.

    Raises:
        SubjectFailedError: It cannot be loaded, or is a provider's, whose calls cost money.
    """
    before, started = _resident(), time.perf_counter()
    try:
        engine = build_engine(config)
    except (StartupError, RerankdError) as error:
        raise failed(error) from error
    try:
        model_id = engine.registry.canonical("")
        async for event in engine.registry.follow(model_id):
            on_stage(event)
        model = await engine.registry.get(model_id)
        about = model.description
        if about.is_cloud or not isinstance(model, LocalModel):
            raise SubjectFailedError(f"{model_id} does not run on this host")
        loaded = time.perf_counter() - started
        await engine.rerank(
            Request(query=warm_up[0], documents=[Document(text=text) for text in warm_up[1]], use_cache=False)
        )
    except BaseException as error:
        await engine.registry.close()
        engine.close()
        if isinstance(error, RerankdError):
            raise failed(error) from error
        raise
    after = _resident()
    grown = None if before is None or after is None else max(0.0, (after - before) / _MIB)
    facts = Facts(
        where="in-process",
        model=model_id,
        model_setting="" if is_directory(config.model) else model_id,
        revision=about.revision,
        precision=computes_in(about.precision),
        precision_setting=config.onnx.precision,
        provider=about.provider,
        lanes=about.lanes,
        batch_tokens=about.batch_tokens,
        load_seconds=loaded,
        memory_mib=grown,
    )
    return EngineSubject(engine, config, facts)


def measured_config(config: Config, model: str, precision: str) -> Config:
    """The configuration with another model and arithmetic, and with nothing that spares work.

    The network is never used, neither scores nor tokens are kept, and no call is refused for its length.
    """
    onnx = config.onnx.model_copy(update={"precision": precision, "token_cache_mib": 0})
    limits = config.limits.model_copy(
        update={
            "max_documents": MOST_DOCUMENTS,
            "max_queued_tokens": 2**31 - 1,
            "max_request_seconds": 86_400.0,
            "max_memory_mib": 0,
        }
    )
    return config.model_copy(
        update={
            "model": model,
            "onnx": onnx,
            "limits": limits,
            "cache": config.cache.model_copy(update={"max_mib": 0}),
            "models": config.models.model_copy(update={"offline": True}),
            "reranking": type(config.reranking)(),
        }
    )


def failed(error: Exception) -> SubjectFailedError:
    """The error in a line."""
    if isinstance(error, RerankdError):
        return SubjectFailedError(f"{error.spec.reason}: {error.message}")
    return SubjectFailedError(str(error))


def _call(ranking: Ranking, seconds: float, first: float | None) -> Call:
    usage = ranking.usage
    return Call(seconds=seconds, documents=usage.documents, tokens=usage.tokens, first_score_seconds=first)


async def _chunks(texts: Sequence[str]) -> AsyncIterator[Chunk]:
    for start in range(0, len(texts), CHUNK_DOCUMENTS):
        part = texts[start : start + CHUNK_DOCUMENTS]
        yield Chunk(indexes=range(start, start + len(part)), documents=[Document(text=text) for text in part])


def _resident() -> int | None:
    try:
        return resident_bytes()
    except OSError:
        return None
