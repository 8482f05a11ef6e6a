"""The use cases: rerank one request, many requests, or a stream of any length."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace

from rerankd.core.errors import (
    DeadlineExceededError,
    InternalError,
    ModelLoadingError,
    ModelNotFoundError,
    OverloadedError,
    RerankdError,
)
from rerankd.core.limits import Limits, check_original_scores
from rerankd.core.loaded import DelegatedModel, LoadedModel, LocalModel, NoModel
from rerankd.core.memory import MemoryCeiling
from rerankd.core.policy import (
    NOT_RERANKED,
    check_supported,
    documents_to_score,
    estimate_tokens,
    is_fault_of_model,
    load_before,
    soft_deadline,
    spent_tokens,
    stand_ins,
    stood_in,
    why,
)
from rerankd.core.quota import reserved
from rerankd.core.ranking import final_ranking, passthrough
from rerankd.core.registry import Registry
from rerankd.core.reranking import RerankingPolicy
from rerankd.core.rights import check_model, may_use
from rerankd.core.run import Run, unscored_result
from rerankd.core.runs import Runs
from rerankd.core.score_cache import ScoreCache
from rerankd.core.stream_events import Chunk, StreamEvent, StreamRequest
from rerankd.core.streaming import StreamSession
from rerankd.core.telemetry import Dropped
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
_MIB = 1024 * 1024

_REASON_NAME = re.compile(r"([A-Z_]+): ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One query with its candidates."""

    query: str
    documents: Sequence[Document]
    options: Options = field(default_factory=Options)
    use_cache: bool = True
    """False where the model itself is to run, as in a warm-up."""


class Engine:
    """Ranks. One for each process, on one event loop; knows nothing of doors.

    Attributes:
        policy: What holds for calls that begin now; see `adopt`.
        outcomes: How many rankings were given, by outcome and the name of its reason.
        memory: Knows whether the process takes more memory than it may.
        telemetry: Who is told of the work.
    """

    def __init__(
        self,
        registry: Registry,
        limits: Limits,
        *,
        tokenizer_threads: int = 0,
        score_cache: ScoreCache | None = None,
        policy: RerankingPolicy | None = None,
    ) -> None:
        """`tokenizer_threads`: 0 = up to 4, as there are cores; `score_cache`: None = scores are not kept."""
        self.registry = registry
        self.limits = limits
        self.score_cache = score_cache
        self.outcomes: Counter[tuple[Outcome, str]] = Counter()
        self.adopt(policy or RerankingPolicy())
        threads = tokenizer_threads or min(4, os.cpu_count() or 1)
        self._tokenizers = ThreadPoolExecutor(threads, thread_name_prefix="tokenize")
        self.memory = MemoryCeiling(limits.max_memory_mib * _MIB)
        self.telemetry = registry.telemetry
        self._runs = Runs(
            limits=limits,
            tokenizers=self._tokenizers,
            cache=score_cache,
            telemetry=self.telemetry,
            memory=self.memory,
        )

    def adopt(self, policy: RerankingPolicy) -> None:
        """Makes a policy hold for calls that begin from now on; those under way end as they began."""
        self.registry.default = policy.default_model
        # What names no model must not mean another one to a call that began before the next policy.
        with suppress(ModelNotFoundError):
            policy = replace(policy, default_model=self.registry.canonical(""))
        self.policy = policy

    async def rerank(self, request: Request, caller: Caller = ANYONE) -> Ranking:
        """Ranks the documents of one request.

        Raises:
            RerankdError: See `core.errors`; with `on_failure=ORIGINAL_ORDER` only what the caller
                did wrong, with `on_deadline=PARTIAL` not for the deadline.
        """
        return await self._rerank(request, caller, self.policy)

    async def rerank_batch(
        self, requests: Sequence[Request | RerankdError], caller: Caller = ANYONE
    ) -> list[Ranking | RerankdError]:
        """Ranks several requests; one that fails leaves the others alone. In request order.

        One that could not even be read is the error that says why, and its own outcome.

        Raises:
            InvalidRequestError: No request, or more than the limit.
        """
        self.limits.check_batch_size(len(requests))
        policy = self.policy
        outcomes = await asyncio.gather(
            *(self._rerank(r, caller, policy) for r in requests if isinstance(r, Request)),
            return_exceptions=True,
        )
        ranked = iter(outcomes)
        return [_item(next(ranked)) if isinstance(r, Request) else r for r in requests]

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
        session = StreamSession(self.registry, self._runs, self.policy, request, caller)
        async with aclosing(session.events(chunks)) as events:
            async for event in events:
                if isinstance(event, Ranking):
                    event.timing.total_seconds = time.monotonic() - started
                    self._count(event)
                yield event

    def close(self) -> None:
        """Ends the tokenizer threads. The registry is closed by its owner."""
        self._tokenizers.shutdown(wait=False, cancel_futures=True)

    def _check(self, request: Request) -> None:
        self.limits.check_query(request.query)
        self.limits.check_document_count(len(request.documents))
        self.limits.check_options(request.options)
        check_original_scores(request.documents, request.options)

    async def _rerank(self, request: Request, caller: Caller, policy: RerankingPolicy) -> Ranking:
        started = time.monotonic()
        self.memory.check()
        self._check(request)
        deadline = caller.deadline or started + self.limits.max_request_seconds
        request = replace(request, options=policy.complete(request.options))
        wanted = _UnaryCall(self.registry, self._runs, request, policy, caller, deadline)
        try:
            ranking = await wanted.run()
            self.registry.shadows.offer(ranking.model, request, wanted.results, policy.snippet_chars)
        except RerankdError as error:
            if isinstance(error, ModelNotFoundError):
                # Only whoever scores for it can say that a provider has no such model.
                self.registry.forget(wanted.model_id())
            if not is_fault_of_model(error):
                raise
            ranking = await self._after_failure(wanted, error)
        ranking.timing.total_seconds = time.monotonic() - started
        self._count(ranking)
        return ranking

    async def _after_failure(self, wanted: _UnaryCall, error: RerankdError) -> Ranking:
        """What a request gets whose model failed: another model's ranking, its own order, or the error."""
        for name in wanted.stand_ins():
            call = wanted.on_model(name)
            try:
                ranking = await call.run()
            except RerankdError as further:
                logger.warning(
                    "stand-in failed too",
                    extra={"model": name, "reason": further.spec.reason, "detail": further.message},
                )
                continue
            reason = why(error)
            if ranking.outcome is not Outcome.PASSTHROUGH:
                reason = stood_in(ranking.model.id, wanted.model_id(), error)
            logger.warning("another model stood in", extra={"model": name, "reason": error.spec.reason})
            return replace(ranking, outcome_reason="; ".join(filter(None, (reason, _detail(ranking)))))
        if not wanted.is_forgiven(error):
            raise error
        logger.warning("answered in the original order", extra={"reason": error.spec.reason})
        return wanted.original_order(why(error))

    def _count(self, ranking: Ranking) -> None:
        name = _REASON_NAME.match(ranking.outcome_reason)
        self.outcomes[ranking.outcome, name[1] if name else ""] += 1


class _UnaryCall:
    """The state of one `rerank` on one model: what is known when the deadline or a failure cuts it short."""

    def __init__(
        self,
        registry: Registry,
        runs: Runs,
        request: Request,
        policy: RerankingPolicy,
        caller: Caller,
        deadline: float,
    ) -> None:
        self._registry = registry
        self._runs = runs
        self._request = request
        self._policy = policy
        self._caller = caller
        self._deadline = deadline
        self._model: LoadedModel | None = None
        self._run: Run | None = None
        self.results: list[Result] = []

    def on_model(self, name: str) -> _UnaryCall:
        """The same call on another model."""
        request = replace(self._request, options=replace(self._request.options, model=name))
        return _UnaryCall(self._registry, self._runs, request, self._policy, self._caller, self._deadline)

    def stand_ins(self) -> list[str]:
        """Models to try, in order, once this one has failed."""
        names = stand_ins(self._registry, self._policy, self._request.options)
        return may_use(self._caller, self._registry, names)

    def is_forgiven(self, error: RerankdError) -> bool:
        """Whether the original order is an answer to the error."""
        return self._policy.forgives(self._request.options, error)

    def model_id(self) -> str:
        """Id of the model that is asked."""
        return self._ref().id

    async def run(self) -> Ranking:
        partial = self._request.options.on_deadline is DeadlineMode.PARTIAL
        until = soft_deadline(self._deadline) if partial else self._deadline
        try:
            check_model(self._caller, self._registry, self._request.options.model)
            self._model = await load_before(self._registry, self._request.options.model, self._deadline)
            if isinstance(self._model, NoModel):
                return self.original_order(NOT_RERANKED)
            async with asyncio.timeout(until - time.monotonic()):
                await self._score(self._model)
        except (TimeoutError, DeadlineExceededError, ModelLoadingError) as error:
            if not partial:
                raise _deadline_error(error) from error
            return self._ranking(Outcome.PARTIAL, "the deadline came first")
        finally:
            if self._run is not None:
                self._run.close(Dropped.DEADLINE if time.monotonic() >= until else Dropped.CANCELLED)
        return self._ranking(Outcome.RERANKED, "")

    def original_order(self, reason: str) -> Ranking:
        """The documents as they came."""
        options = self._request.options
        results = [unscored_result(i, d, options) for i, d in enumerate(self._request.documents)]
        return Ranking(
            results=passthrough(results, options),
            model=self._ref(),
            usage=Usage(documents=len(results)),
            timing=Timing(),
            outcome=Outcome.PASSTHROUGH,
            outcome_reason=reason,
        )

    async def _score(self, model: LocalModel | DelegatedModel) -> None:
        options, documents = self._request.options, self._request.documents
        check_supported(options, model)
        most = documents_to_score(options, self._policy, model)
        scored = documents[:most] if most else documents
        self._run = run = self._runs.new(
            model,
            self._request.query,
            options,
            self._policy,
            self.results.append,
            whole=True,
            use_cache=self._request.use_cache,
        )
        tokens = self._tokens_of(scored, model)
        with reserved(self._caller.quota, tokens, lambda: spent_tokens(run.usage, model, tokens)):
            self._open(run, scored, model)
            await run.add(range(len(scored)), scored)
            await run.drained()

    def _open(self, run: Run, documents: Sequence[Document], model: LocalModel | DelegatedModel) -> None:
        """Takes a place for documents; where there is none, for those of them that have to be scored at all.

        Raises:
            OverloadedError: There is no room for them, or no time.
        """
        try:
            self._open_for(run, documents, model)
        except OverloadedError:
            # Looking up what is known takes longer than an estimate, so only who would be refused does.
            unknown = run.unknown(documents)
            if len(unknown) == len(documents):
                raise
            self._open_for(run, unknown, model)

    def _open_for(self, run: Run, documents: Sequence[Document], model: LocalModel | DelegatedModel) -> None:
        options = self._request.options
        partial = options.on_deadline is DeadlineMode.PARTIAL
        run.open(
            client=self._caller.client,
            priority=options.priority or Priority.INTERACTIVE,
            deadline=self._deadline,
            estimated_tokens=self._tokens_of(documents, model),
            done_by=None if partial else soft_deadline(self._deadline),
        )

    def _tokens_of(self, documents: Sequence[Document], model: LocalModel | DelegatedModel) -> int:
        request = self._request
        return estimate_tokens(request.query, documents, request.options, model.description.max_tokens)

    def _ranking(self, outcome: Outcome, reason: str) -> Ranking:
        options, documents = self._request.options, self._request.documents
        known = {result.index for result in self.results}
        rest = (unscored_result(i, d, options) for i, d in enumerate(documents) if i not in known)
        usage = self._run.usage if self._run else Usage()
        usage.documents = len(documents)
        return Ranking(
            results=final_ranking([*self.results, *rest], options),
            model=self._ref(),
            usage=usage,
            timing=self._run.timing if self._run else Timing(),
            outcome=outcome,
            outcome_reason=reason,
        )

    def _ref(self) -> ModelRef:
        if self._model is not None:
            return self._model.ref
        return ModelRef(id=self._registry.canonical(self._request.options.model), revision="", backend="")


def _deadline_error(error: Exception) -> RerankdError:
    if isinstance(error, RerankdError):
        return error
    return DeadlineExceededError(
        "the deadline passed before the ranking was done; allow more time or send less"
    )


def _detail(ranking: Ranking) -> str:
    """What a stand-in's own answer says of itself; of one that ranks nothing, the reason is told already."""
    return "" if ranking.outcome is Outcome.PASSTHROUGH else ranking.outcome_reason


def _item(outcome: Ranking | BaseException) -> Ranking | RerankdError:
    if isinstance(outcome, Ranking | RerankdError):
        return outcome
    if not isinstance(outcome, Exception):
        raise outcome
    logger.error("a request of a batch failed", exc_info=outcome)
    return InternalError("an internal error; the operator's log has the cause")
