"""The use cases: rerank one request, many requests, or a stream of any length."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, field

from rerankd.core.errors import (
    DeadlineExceededError,
    InternalError,
    ModelLoadingError,
    RerankdError,
)
from rerankd.core.limits import Limits, check_original_scores
from rerankd.core.policy import check_instruction, estimate_tokens, forgives, load_before, soft_deadline, why
from rerankd.core.ranking import final_ranking, passthrough
from rerankd.core.registry import LoadedModel, Registry
from rerankd.core.score_cache import ScoreCache
from rerankd.core.scoring import ScoringRun, unscored_result
from rerankd.core.stream_events import Chunk, StreamEvent, StreamRequest
from rerankd.core.streaming import StreamSession
from rerankd.core.types import (
    Caller,
    DeadlineMode,
    Document,
    ModelRef,
    Options,
    Outcome,
    Priority,
    Ranking,
    Result,
    Timing,
    Usage,
)

logger = logging.getLogger(__name__)

ANYONE = Caller()


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One query with its candidates."""

    query: str
    documents: Sequence[Document]
    options: Options = field(default_factory=Options)
    use_cache: bool = True
    """False where the model itself is to run, as in a warm-up."""


class Engine:
    """Ranks. One for each process, on one event loop; knows nothing of doors."""

    def __init__(
        self,
        registry: Registry,
        limits: Limits,
        *,
        tokenizer_threads: int = 0,
        score_cache: ScoreCache | None = None,
    ) -> None:
        """`tokenizer_threads`: 0 = up to 4, as there are cores; `score_cache`: None = scores are not kept."""
        self.registry = registry
        self.limits = limits
        self.score_cache = score_cache
        threads = tokenizer_threads or min(4, os.cpu_count() or 1)
        self._tokenizers = ThreadPoolExecutor(threads, thread_name_prefix="tokenize")

    async def rerank(self, request: Request, caller: Caller = ANYONE) -> Ranking:
        """Ranks the documents of one request.

        Raises:
            RerankdError: See `core.errors`; with `on_failure=ORIGINAL_ORDER` only what the caller
                did wrong, with `on_deadline=PARTIAL` not for the deadline.
        """
        started = time.monotonic()
        self._check(request)
        deadline = caller.deadline or started + self.limits.max_request_seconds
        call = _UnaryCall(self, request, caller, deadline)
        try:
            ranking = await call.run()
        except RerankdError as error:
            if not forgives(request.options, error):
                raise
            logger.warning("answered in the original order", extra={"reason": error.spec.reason})
            ranking = call.original_order(error)
        ranking.timing.total_seconds = time.monotonic() - started
        return ranking

    async def rerank_batch(
        self, requests: Sequence[Request], caller: Caller = ANYONE
    ) -> list[Ranking | RerankdError]:
        """Ranks several requests; one that fails leaves the others alone. In request order.

        Raises:
            InvalidRequestError: No request, or more than the limit.
        """
        self.limits.check_batch_size(len(requests))
        outcomes = await asyncio.gather(*(self.rerank(r, caller) for r in requests), return_exceptions=True)
        return [_item(outcome) for outcome in outcomes]

    async def rerank_stream(
        self, request: StreamRequest, chunks: AsyncIterator[Chunk], caller: Caller = ANYONE
    ) -> AsyncGenerator[StreamEvent | Ranking, None]:
        """Ranks a stream of documents: events as `request.emit` asks, then the ranking, last.

        Reads `chunks` only as far as the window allows. Leaving the iterator cancels the work.

        Raises:
            RerankdError: As `rerank`; the stream ends there.
        """
        started = time.monotonic()
        self.limits.check_query(request.query)
        self.limits.check_stream_options(request.options, snapshots=request.wants_snapshots)
        session = StreamSession(
            self.registry, self.limits, self._tokenizers, request, caller, self.score_cache
        )
        async with aclosing(session.events(chunks)) as events:
            async for event in events:
                if isinstance(event, Ranking):
                    event.timing.total_seconds = time.monotonic() - started
                yield event

    def close(self) -> None:
        """Ends the tokenizer threads. The registry is closed by its owner."""
        self._tokenizers.shutdown(wait=False, cancel_futures=True)

    def new_run(self, model: LoadedModel, request: Request, results: list[Result]) -> ScoringRun:
        """A scoring run that collects into `results`."""
        return ScoringRun(
            model,
            request.query,
            request.options,
            limits=self.limits,
            tokenizers=self._tokenizers,
            on_result=results.append,
            cache=self.score_cache if request.use_cache else None,
        )

    def _check(self, request: Request) -> None:
        self.limits.check_query(request.query)
        self.limits.check_document_count(len(request.documents))
        self.limits.check_options(request.options)
        check_original_scores(request.documents, request.options)


class _UnaryCall:
    """The state of one `rerank`: what is known when the deadline or a failure cuts it short."""

    def __init__(self, engine: Engine, request: Request, caller: Caller, deadline: float) -> None:
        self._engine = engine
        self._request = request
        self._caller = caller
        self._deadline = deadline
        self._model: LoadedModel | None = None
        self._run: ScoringRun | None = None
        self._results: list[Result] = []

    async def run(self) -> Ranking:
        partial = self._request.options.on_deadline is DeadlineMode.PARTIAL
        until = soft_deadline(self._deadline) if partial else self._deadline
        try:
            self._model = await load_before(
                self._engine.registry, self._request.options.model, self._deadline
            )
            async with asyncio.timeout(until - time.monotonic()):
                await self._score(self._model)
        except (TimeoutError, DeadlineExceededError, ModelLoadingError) as error:
            if not partial:
                raise _deadline_error(error) from error
            return self._ranking(Outcome.PARTIAL, "the deadline came first")
        finally:
            if self._run is not None:
                self._run.close()
        return self._ranking(Outcome.RERANKED, "")

    def original_order(self, error: RerankdError) -> Ranking:
        """What `on_failure=ORIGINAL_ORDER` promises."""
        options = self._request.options
        results = [unscored_result(i, d, options) for i, d in enumerate(self._request.documents)]
        return Ranking(
            results=passthrough(results, options),
            model=self._ref(),
            usage=Usage(documents=len(results)),
            timing=Timing(),
            outcome=Outcome.PASSTHROUGH,
            outcome_reason=why(error),
        )

    async def _score(self, model: LoadedModel) -> None:
        options, documents = self._request.options, self._request.documents
        check_instruction(options, model)
        scored = documents[: options.max_scored_documents] if options.max_scored_documents else documents
        self._run = run = self._engine.new_run(model, self._request, self._results)
        run.open(
            client=self._caller.client,
            priority=options.priority or Priority.INTERACTIVE,
            deadline=self._deadline,
            estimated_tokens=estimate_tokens(
                self._request.query, scored, options, model.backend.description.max_tokens
            ),
        )
        await run.add(range(len(scored)), scored)
        await run.drained()

    def _ranking(self, outcome: Outcome, reason: str) -> Ranking:
        options, documents = self._request.options, self._request.documents
        known = {result.index for result in self._results}
        rest = (unscored_result(i, d, options) for i, d in enumerate(documents) if i not in known)
        usage = self._run.usage if self._run else Usage()
        usage.documents = len(documents)
        return Ranking(
            results=final_ranking([*self._results, *rest], options),
            model=self._ref(),
            usage=usage,
            timing=self._run.timing if self._run else Timing(),
            outcome=outcome,
            outcome_reason=reason,
        )

    def _ref(self) -> ModelRef:
        if self._model is not None:
            return self._model.ref
        return ModelRef(
            id=self._engine.registry.canonical(self._request.options.model), revision="", backend=""
        )


def _deadline_error(error: Exception) -> RerankdError:
    if isinstance(error, RerankdError):
        return error
    return DeadlineExceededError(
        "the deadline passed before the ranking was done; allow more time or send less"
    )


def _item(outcome: Ranking | BaseException) -> Ranking | RerankdError:
    if isinstance(outcome, Ranking | RerankdError):
        return outcome
    if not isinstance(outcome, Exception):
        raise outcome
    logger.error("a request of a batch failed", exc_info=outcome)
    return InternalError("an internal error; the operator's log has the cause")
