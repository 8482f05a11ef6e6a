"""A request's way to a model that is handed texts: a provider, a plugin, another server."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Sequence

from rerankd.backends.base import TextCall, TextScores
from rerankd.core.errors import (
    BackendFailedError,
    DeadlineExceededError,
    ProviderUnavailableError,
    RerankdError,
)
from rerankd.core.gate import Pass
from rerankd.core.limits import Limits
from rerankd.core.loaded import DelegatedModel
from rerankd.core.reranking import RerankingPolicy
from rerankd.core.run import Group, Run, non_finite
from rerankd.core.telemetry import BatchRun, CallTrace, Telemetry
from rerankd.core.types import Document, Options, Passage, Priority, Result

logger = logging.getLogger(__name__)


class DelegatedRun(Run):
    """A run whose texts are handed over: all at once for a unary call, as they come for a stream."""

    def __init__(
        self,
        model: DelegatedModel,
        query: str,
        options: Options,
        *,
        limits: Limits,
        policy: RerankingPolicy,
        on_result: Callable[[Result], None],
        whole: bool,
        telemetry: Telemetry,
    ) -> None:
        """`whole`: every document is added by one `add`, and goes into one call."""
        super().__init__(
            query,
            options,
            limits=limits,
            policy=policy,
            on_result=on_result,
            model_id=model.ref.id,
            telemetry=telemetry,
        )
        self._model = model
        self._timeout_seconds = policy.timeout_seconds
        traits = model.backend.traits
        # A stream leaves calls free for others, whatever it brings.
        self._most_calls = 1 if whole else max(1, traits.max_concurrency // 2)
        self._most_texts = limits.max_documents if whole else max(1, traits.chunk_documents)
        self._pending: list[Group] = []
        self._calls: set[asyncio.Task[None]] = set()
        self._pass: Pass | None = None
        self._first_run_at: float | None = None
        self._priority = Priority.INTERACTIVE
        self._trace: CallTrace | None = None

    def open(
        self,
        *,
        client: str,
        priority: Priority,
        deadline: float | None,
        estimated_tokens: int,
        done_by: float | None = None,
    ) -> None:
        """Takes a place at the model's gate; raises what `Gate.enter` raises."""
        self._priority, self._deadline = priority, deadline
        self._pass = self._model.gate.enter(self, estimated_tokens=estimated_tokens)
        self._trace = self._telemetry.traces.current()

    def _end(self) -> None:
        """Gives the place back and leaves calls that are under way."""
        if self._pass is not None:
            self._model.gate.leave(self._pass)
            self._waited(self._pass.opened_at, self._first_run_at)
        self._pending.clear()
        current = asyncio.current_task()
        for call in self._calls:
            if call is not current:
                call.cancel()

    async def add(self, indexes: Sequence[int], documents: Sequence[Document]) -> None:
        """Queues documents; see `Run.add`."""
        self.usage.documents += len(documents)
        fresh = self._group(indexes, documents)
        if self.failure is None:
            self._pending += fresh
            self._hand_over()

    def _hand_over(self) -> None:
        while self._pending and len(self._calls) < self._most_calls and self.failure is None:
            groups, self._pending = self._pending[: self._most_texts], self._pending[self._most_texts :]
            call = asyncio.create_task(self._score(groups), name=f"delegate-{self._model.ref.id}")
            self._calls.add(call)

    async def _score(self, groups: Sequence[Group]) -> None:
        try:
            scores = await self._ask(groups)
            self._take(groups, scores)
        except RerankdError as error:
            if self.failure is None:
                logger.warning(
                    "model gave no scores",
                    extra={"model": self._model.ref.id, "reason": error.spec.reason, "detail": error.message},
                    exc_info=None if isinstance(error.__cause__, TimeoutError) else error.__cause__,
                )
            self.on_failure(error)
        except Exception as error:
            logger.exception("model failed", extra={"model": self._model.ref.id})
            what = f"the model's backend failed ({type(error).__name__})"
            self.on_failure(_failed(what, self._model.ref.id))
        finally:
            task = asyncio.current_task()
            if task is not None:
                self._calls.discard(task)
            self._hand_over()
            self.changed.set()

    async def _ask(self, groups: Sequence[Group]) -> TextScores:
        async with self._model.gate.turn(self._priority, len(groups)):
            started = time.monotonic()
            if self._first_run_at is None:
                self._first_run_at = started
                self._tell_wait(started)
            call = self._call(groups, started)
            answer: TextScores | None = None
            try:
                async with asyncio.timeout(call.timeout_seconds):
                    answer = await self._model.backend.score(call)
                    return answer
            except TimeoutError as error:
                raise self._too_late(call.timeout_seconds) from error
            finally:
                self._tell(len(groups), answer, started)

    def _tell_wait(self, now: float) -> None:
        since = self._pass.opened_at if self._pass is not None else now
        self._telemetry.work.on_wait(self._priority, now - since)
        if self._trace is not None:
            self._trace.stage("queue", since, now, 0)

    def _tell(self, documents: int, answer: TextScores | None, started: float) -> None:
        """Tells of a call that has ended."""
        run = BatchRun(
            model=self._model_id,
            backend=self._model.ref.backend,
            documents=documents,
            tokens=answer.tokens if answer is not None else 0,
            padded_tokens=0,
            started=started,
            ended=time.monotonic(),
            failed=answer is None,
        )
        self.timing.inference_seconds += run.seconds
        self._telemetry.work.on_batch(run)
        if self._trace is not None:
            self._trace.inference(run, None, documents)

    def _call(self, groups: Sequence[Group], now: float) -> TextCall:
        left = math.inf if self._deadline is None else self._deadline - now
        options = self._options
        return TextCall(
            query=self._query,
            texts=[group.text for group in groups],
            timeout_seconds=max(0.0, min(self._timeout_seconds, left)),
            priority=self._priority,
            raw_scores=options.raw_scores,
            instruction=options.instruction,
            long_document=options.long_document,
            max_tokens_per_document=options.max_tokens_per_document,
        )

    def _too_late(self, waited: float) -> RerankdError:
        if self._deadline is not None and time.monotonic() >= self._deadline:
            return DeadlineExceededError(
                "the deadline passed before the model answered; allow more time or send less"
            )
        return ProviderUnavailableError(
            f"no answer within {waited:.3g} s",
            metadata={"model": self._model.ref.id},
            retry_after_seconds=1.0,
        )

    def _take(self, groups: Sequence[Group], answer: TextScores) -> None:
        if self.failure is not None:
            return
        for name, values in (("dropped_tokens", answer.dropped_tokens), ("passages", answer.passages)):
            if values and len(values) != len(groups):
                raise _failed(f"{len(values)} {name} for {len(groups)} documents", self._model.ref.id)
        if len(answer.scores) != len(groups):
            raise _failed(f"{len(answer.scores)} scores for {len(groups)} documents", self._model.ref.id)
        self._count(answer)
        for position, (group, score) in enumerate(zip(groups, answer.scores, strict=True)):
            if not math.isfinite(score):
                self.on_failure(non_finite(group))
                return
            span = answer.passages[position] if answer.passages else None
            self._finish(
                group,
                score=float(score),
                logit=None,
                dropped_tokens=answer.dropped_tokens[position] if answer.dropped_tokens else 0,
                passage=Passage(start_char=span[0], end_char=span[1]) if span else None,
            )

    def _count(self, answer: TextScores) -> None:
        self.usage.tokens += answer.tokens
        self._telemetry.work.on_scored(self._model_id, 0, answer.tokens)
        self.usage.provider_units += answer.units
        self.usage.provider_units_estimated |= answer.units_estimated
        self.usage.provider_cost += answer.cost_usd


def _failed(what: str, model_id: str) -> BackendFailedError:
    return BackendFailedError(f"{what}; the operator's log has the cause", metadata={"model": model_id})
