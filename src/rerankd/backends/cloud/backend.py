"""One model of a provider."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rerankd.backends.base import (
    BackendDescription,
    ProgressReporter,
    TextBackendTraits,
    TextCall,
    TextScores,
)
from rerankd.backends.cloud.account import Account
from rerankd.backends.cloud.allowance import Spending
from rerankd.backends.cloud.calls import Calls, Work
from rerankd.backends.cloud.estimates import estimate_tokens
from rerankd.backends.cloud.failures import CallSite
from rerankd.backends.cloud.settings import CloudSettings
from rerankd.backends.parting import balanced_runs, merged, side_by_side
from rerankd.core.errors import InvalidRequestError
from rerankd.core.types import LongDocument, WarmupStage


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One call to the provider."""

    work: Work
    units: int
    """Estimated."""
    spending: Spending


class CloudBackend:
    """A `TextBackend` that has its texts scored by a provider.

    Attributes:
        description: What it is.
        traits: How it wants its work.
    """

    def __init__(
        self,
        model_id: str,
        account: Account,
        settings: CloudSettings,
        *,
        is_listwise: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        provider = account.provider
        self.description = BackendDescription(
            id=model_id,
            revision="",
            backend="cloud",
            provider=provider.name,
            long_documents=(LongDocument.TRUNCATE_END,),
            supports_max_tokens=bool(provider.max_tokens_field),
            is_cloud=True,
        )
        self.traits = TextBackendTraits(
            max_concurrency=settings.max_concurrency,
            chunk_documents=min(provider.stream_documents, account.settings.max_documents),
            comparable=not is_listwise or settings.merge_listwise,
        )
        site = CallSite(model_id=model_id, provider=provider.name, key_variable=provider.key_variable)
        self._account = account
        self._calls = Calls(site, account, settings, clock=clock)

    async def start(self, report: ProgressReporter) -> None:
        """Nothing to do: a call that finds out whether the key works would be billed."""
        report(WarmupStage.SESSION, 1.0, f"{self.description.provider} is called when there is work")

    async def score(self, call: TextCall) -> TextScores:
        """Scores as the provider gives them, in the order of the texts.

        Raises:
            InvalidRequestError: The provider refuses the request, it is above what may be spent in a
                minute, or a listwise model would need several calls.
            QuotaExceededError: The minute's share is used up, here or at the provider.
            ProviderUnavailableError: It cannot be reached, fails, or is left alone.
            ModelNotFoundError: It does not know the model.
            ModelFailedError: It refuses the key.
            BackendFailedError: Its answer cannot be used.
        """
        parts = self._divide(call, asyncio.get_running_loop().time() + call.timeout_seconds)
        try:
            answers = await self._score_all(parts)
        finally:
            for part in parts:
                if part.spending.started is None:
                    self._account.allowance.give_back(part.spending)
        return merged(answers)

    async def close(self) -> None:
        """Gives up calls under way."""
        await self._calls.close()

    def _divide(self, call: TextCall, deadline: float) -> list[_Part]:
        """Calls within the provider's limits, for which there is leave."""
        settings = self._account.settings
        query_tokens = estimate_tokens(call.query)
        tokens = [query_tokens + estimate_tokens(text) for text in call.texts]
        runs = balanced_runs(tokens, max_items=settings.max_documents, max_weight=settings.max_tokens)
        if len(runs) > 1 and not self.traits.comparable:
            raise self._too_many(len(call.texts))
        units = [self._account.provider.estimate_units(tokens[run]) for run in runs]
        costs = [count * settings.unit_price_usd for count in units]
        return [
            _Part(
                work=Work(
                    query=call.query,
                    texts=call.texts[run],
                    max_tokens=call.max_tokens_per_document,
                    cost_usd=cost,
                    deadline=deadline,
                ),
                units=count,
                spending=spending,
            )
            for run, count, cost, spending in zip(
                runs, units, costs, self._account.allowance.take(costs), strict=True
            )
        ]

    def _too_many(self, count: int) -> InvalidRequestError:
        settings = self._account.settings
        limit = f"{settings.max_documents} documents"
        if settings.max_tokens:
            limit += f" and about {settings.max_tokens} tokens"
        return InvalidRequestError(
            f"{self.description.id} scores documents by their neighbours, so all {count} must be in "
            f"one call, which has at most {limit}; send fewer or shorter documents",
            field="documents",
            metadata={"limit": str(settings.max_documents), "count": str(count)},
        )

    async def _score_all(self, parts: Sequence[_Part]) -> list[TextScores]:
        first = [await self._score_part(parts[0])] if self._calls.must_try_first else []
        return first + await side_by_side([self._score_part(part) for part in parts[len(first) :]])

    async def _score_part(self, part: _Part) -> TextScores:
        scores, billing, spending = await self._calls.run(part.work, part.spending)
        units = part.units if billing.units is None else billing.units
        spending.usd = units * self._account.settings.unit_price_usd
        return TextScores(
            scores=scores,
            tokens=billing.tokens or 0,
            units=units,
            units_estimated=billing.units is None,
            cost_usd=spending.usd,
        )
