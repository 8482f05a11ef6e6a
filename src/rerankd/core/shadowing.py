"""A candidate that scores live requests too, off the path of their answers: how far would it differ?"""

from __future__ import annotations

import asyncio
import enum
import logging
import os
import random
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from rerankd.backends.base import AnyBackend, Backend, EncodeOptions, NoBackend, ProgressReporter, TextBackend
from rerankd.core.agreement import Agreement, Logits
from rerankd.core.documents import scored_text
from rerankd.core.errors import CancelledError, InvalidRequestError, ModelFailedError, RerankdError, draining
from rerankd.core.opening import in_thread
from rerankd.core.types import Document, ModelRef, Options, Result

logger = logging.getLogger(__name__)

_SLICE = 16
"""Documents between two looks at whether there is live work: all that a request can find in its way."""
_LOWEST_PRIORITY = 19


class ShadowState(enum.Enum):
    """Where a shadow is."""

    LOADING = "loading"
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowPlan:
    """How much a shadow looks at."""

    fraction: float
    """Share of the live requests, 0 to 1."""
    requests: int
    """After so many it is done."""
    seed: int = 13
    """Of the choice of requests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowReport:
    """How a candidate's scores differ from those that were answered."""

    model_id: str
    serving: str
    """Revision that answers."""
    candidate: str
    """Revision that scores too; empty until it is loaded."""
    state: ShadowState
    wanted: int
    requests: int
    """Requests that both have scored."""
    documents: int
    dropped: int
    """Requests that were chosen, but left out because there was other work."""
    failed: int
    """Requests that the candidate could not score."""
    top10_overlap: float
    """Share of the first ten that both have in common, mean over requests."""
    mean_drift: float
    """Mean distance of the scores (after the sigmoid) over documents."""
    max_drift: float
    rank_correlation: float
    """Spearman's, mean over requests with at least two documents."""


class Asked(Protocol):
    """A request, as far as a shadow needs it."""

    @property
    def query(self) -> str:
        """What was asked."""

    @property
    def documents(self) -> Sequence[Document]:
        """All of its documents."""

    @property
    def options(self) -> Options:
        """How they were scored."""

    @property
    def use_cache(self) -> bool:
        """False for a warm-up, which nobody asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answered:
    """A request as it was answered: texts as they were scored, and the logits that they got."""

    query: str
    texts: Sequence[str]
    logits: Sequence[float]
    options: EncodeOptions


@dataclass(slots=True, eq=False)
class _Shadow:
    model_id: str
    serving: str
    plan: ShadowPlan
    chance: random.Random
    state: ShadowState = ShadowState.LOADING
    candidate: str = ""
    backend: Backend | None = None
    agreement: Agreement = field(default_factory=Agreement)
    dropped: int = 0
    failed: int = 0
    task: asyncio.Task[None] | None = None
    """The request that is being scored."""

    def report(self) -> ShadowReport:
        agreement = self.agreement
        return ShadowReport(
            model_id=self.model_id,
            serving=self.serving,
            candidate=self.candidate,
            state=self.state,
            wanted=self.plan.requests,
            requests=agreement.requests,
            documents=agreement.documents,
            dropped=self.dropped,
            failed=self.failed,
            top10_overlap=agreement.top10_overlap,
            mean_drift=agreement.mean_drift,
            max_drift=agreement.max_drift,
            rank_correlation=agreement.rank_correlation,
        )


class Shadows:
    """At most one shadow for each model. Lives on the event loop; scores in one thread of low priority.

    Nobody waits for it: an answer is complete before its request comes here, one request is scored at a
    time, and whenever live work is there the request is dropped. Failures are counted, and told to nobody.
    """

    def __init__(self, is_busy: Callable[[], bool]) -> None:
        """`is_busy`: whether a live request is under way, whatever its model."""
        self._is_busy = is_busy
        self._shadows: dict[str, _Shadow] = {}
        self._pool: ThreadPoolExecutor | None = None
        self._closing = False

    async def start(
        self, serving: ModelRef, load: Callable[[ProgressReporter], AnyBackend], plan: ShadowPlan
    ) -> None:
        """Loads a candidate beside a model that serves; returns when it scores along.

        An earlier shadow of the same model ends.

        Raises:
            InvalidRequestError: The candidate runs elsewhere: what it scores would be billed or slow others.
            RerankdError: Why it cannot be loaded.
        """
        if self._closing:
            raise draining()
        await self.stop(serving.id)
        shadow = _Shadow(serving.id, serving.revision, plan, random.Random(plan.seed))  # noqa: S311
        self._shadows[serving.id] = shadow
        try:
            backend = _local(await in_thread(lambda: _loaded(load), f"shadow-{serving.id}"))
        except asyncio.CancelledError:
            shadow.state = ShadowState.STOPPED
            raise
        except Exception as error:
            shadow.state = ShadowState.FAILED
            logger.warning("shadow not loaded", exc_info=error, extra={"model": serving.id})
            if isinstance(error, RerankdError):
                raise
            raise ModelFailedError("the candidate could not be loaded") from error
        if shadow.state is not ShadowState.LOADING:
            await asyncio.to_thread(backend.close)
            raise CancelledError("the shadow was ended before its candidate was loaded")
        shadow.backend, shadow.candidate = backend, backend.description.revision
        shadow.state = ShadowState.RUNNING

    def report(self, model_id: str) -> ShadowReport | None:
        """What the last shadow of a model has seen; None if there was none."""
        shadow = self._shadows.get(model_id)
        return shadow.report() if shadow is not None else None

    def offer(self, model: ModelRef, request: Asked, results: Sequence[Result], snippet_chars: int) -> None:
        """Takes note of a request that was answered, and may score it again some time later.

        `results`: what the model gave, before blend and cut; `snippet_chars`: as they were scored.
        """
        shadow = self._shadows.get(model.id)
        if shadow is None or shadow.state is not ShadowState.RUNNING or not request.use_cache:
            return
        try:
            self._offer(shadow, model, request, results, snippet_chars)
        except Exception:
            # The caller's answer is complete, and stays so whatever happens here.
            shadow.failed += 1
            logger.warning("shadow could not take a request", exc_info=True, extra={"model": model.id})

    async def stop(self, model_id: str) -> None:
        """Ends the shadow of a model and frees its candidate; what it saw stays in the report."""
        shadow = self._shadows.get(model_id)
        if shadow is None:
            return
        if shadow.task is not None:
            shadow.task.cancel()
            await asyncio.gather(shadow.task, return_exceptions=True)
        if shadow.state in (ShadowState.LOADING, ShadowState.RUNNING):
            self._end(shadow, ShadowState.STOPPED)

    async def close(self) -> None:
        """Ends all of them."""
        self._closing = True
        await asyncio.gather(*(self.stop(model_id) for model_id in self._shadows))
        if self._pool is not None:
            await asyncio.to_thread(self._pool.shutdown)

    def _offer(
        self,
        shadow: _Shadow,
        model: ModelRef,
        request: Asked,
        results: Sequence[Result],
        snippet_chars: int,
    ) -> None:
        if model.revision != shadow.serving:
            # Its candidate would be compared with two models.
            self._end(shadow, ShadowState.STOPPED)
        elif shadow.chance.random() >= shadow.plan.fraction:
            return
        elif shadow.task is not None or self._is_busy():
            shadow.dropped += 1
        elif (answered := _answered(request, results, snippet_chars)).texts:
            shadow.task = asyncio.create_task(self._compare(shadow, answered), name=f"shadow-{model.id}")

    async def _compare(self, shadow: _Shadow, answered: _Answered) -> None:
        try:
            logits = await self._score(shadow, answered)
            if logits is None:
                shadow.dropped += 1
            elif np.isfinite(logits).all():
                shadow.agreement.add(np.asarray(answered.logits, dtype=np.float64), logits)
            else:
                shadow.failed += 1
        except Exception:
            shadow.failed += 1
            logger.warning(
                "shadow could not score a request", exc_info=True, extra={"model": shadow.model_id}
            )
        finally:
            shadow.task = None
        if shadow.agreement.requests >= shadow.plan.requests and shadow.state is ShadowState.RUNNING:
            self._end(shadow, ShadowState.DONE)

    async def _score(self, shadow: _Shadow, answered: _Answered) -> Logits | None:
        """Logits of the candidate; None if live work came in between."""
        loop = asyncio.get_running_loop()
        backend = shadow.backend
        assert backend is not None  # noqa: S101 - it runs
        found: list[float] = []
        for start in range(0, len(answered.texts), _SLICE):
            if self._is_busy() or shadow.state is not ShadowState.RUNNING:
                return None
            texts = answered.texts[start : start + _SLICE]
            work = _work(backend, answered, texts)
            found += await loop.run_in_executor(self._thread(), work)
        return np.array(found)

    def _thread(self) -> ThreadPoolExecutor:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="shadow", initializer=_step_back)
        return self._pool

    def _end(self, shadow: _Shadow, state: ShadowState) -> None:
        shadow.state = state
        backend, shadow.backend = shadow.backend, None
        report = shadow.report()
        logger.info(
            "shadow ended",
            extra={
                "model": report.model_id,
                "state": state.value,
                "serving": report.serving,
                "candidate": report.candidate,
                "requests": report.requests,
                "dropped": report.dropped,
                "failed": report.failed,
                "top10_overlap": round(report.top10_overlap, 4),
                "mean_drift": round(report.mean_drift, 6),
                "max_drift": round(report.max_drift, 6),
                "rank_correlation": round(report.rank_correlation, 4),
            },
        )
        if backend is not None:
            # In the thread that scores: nothing is freed under a slice that still runs.
            self._thread().submit(backend.close)


def _answered(request: Asked, results: Sequence[Result], snippet_chars: int) -> _Answered:
    """The documents that have a logit; a model elsewhere gives none, and what it scored is left out."""
    options, most = request.options, snippet_chars or None
    scored = [(result.index, result.logit) for result in results if result.logit is not None]
    return _Answered(
        query=request.query,
        texts=[
            scored_text(request.documents[index], options.document_fields, index)[:most]
            for index, _ in scored
        ],
        logits=[logit for _, logit in scored],
        options=EncodeOptions(
            long_document=options.long_document, max_tokens_per_document=options.max_tokens_per_document
        ),
    )


def _work(backend: Backend, answered: _Answered, texts: Sequence[str]) -> Callable[[], list[float]]:
    """Scores some texts, blocking: of a text in windows, the best one."""

    def work() -> list[float]:
        query = backend.encode_query(answered.query)
        encoded = backend.encode_documents(query, texts, answered.options)
        logits = iter(backend.score([pair for windows in encoded for pair in windows], 0).tolist())
        return [max(next(logits) for _ in windows) for windows in encoded]

    return work


def _local(backend: AnyBackend) -> Backend:
    if isinstance(backend, NoBackend | TextBackend):
        raise InvalidRequestError("only a model of this process can be a shadow")
    return backend


def _nobody(*_: object) -> None:
    """Hears of the stages of a candidate's load."""


def _loaded(load: Callable[[ProgressReporter], AnyBackend]) -> AnyBackend:
    """Loads in a thread of low priority, which the threads that the runtime starts in it inherit."""
    _step_back()
    return load(_nobody)


def _step_back() -> None:
    """Lowers the priority of the calling thread; elsewhere than on Linux that would be the whole process."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, 0, _LOWEST_PRIORITY)
