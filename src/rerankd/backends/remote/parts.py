"""Calls that another server takes in several parts."""

from __future__ import annotations

import abc
import asyncio
from dataclasses import dataclass, replace

from rerankd.backends.base import BackendDescription, TextBackendTraits, TextCall, TextScores
from rerankd.backends.parting import merged, runs_within, side_by_side
from rerankd.backends.remote.failures import unavailable
from rerankd.backends.remote.repeating import repeatedly
from rerankd.backends.remote.settings import RemoteSettings

MAX_PART_BYTES = 8 * 1024 * 1024
"""About as large a body as a call has. Half of what a rerankd receives by default, so that what goes with
the texts has room."""

_STREAM_DOCUMENTS = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class PartAnswer:
    """What the server said to one part."""

    scores: TextScores
    model: str = ""
    """Which model it says to have used, with its revision; scores of two are never mixed."""


class PartedBackend(abc.ABC):
    """What backends for other servers have in common: parts, limits, repetitions.

    Attributes:
        description: What it is.
        traits: How it wants its work.
    """

    def __init__(self, description: BackendDescription, settings: RemoteSettings) -> None:
        self.description = description
        self.traits = TextBackendTraits(
            max_concurrency=settings.max_concurrency,
            chunk_documents=min(_STREAM_DOCUMENTS, settings.max_documents),
        )
        self.settings = settings
        # The core counts calls of `score`, and each of them may need several of the server.
        self._places = asyncio.Semaphore(settings.max_concurrency)

    async def score(self, call: TextCall) -> TextScores:
        """The server's scores as they are, in the order of the texts.

        Raises:
            ProviderUnavailableError: The server cannot be reached or does not answer in time.
            ModelFailedError: It refuses calls like these until an operator acts.
            InvalidRequestError: It refuses the caller's query, documents or options.
            BackendFailedError: Its answer cannot be used.
        """
        deadline = asyncio.get_running_loop().time() + call.timeout_seconds
        parts = [replace(call, texts=call.texts[part]) for part in self._split(call)]
        if len(parts) == 1:
            return (await self._score_part(parts[0], deadline)).scores
        answers = await side_by_side([self._score_part(part, deadline) for part in parts])
        if len({answer.model for answer in answers}) > 1:
            raise unavailable(self.description.id, "its model changed while it scored", 0.0)
        return merged([answer.scores for answer in answers])

    @abc.abstractmethod
    async def attempt(self, call: TextCall, timeout_seconds: float) -> PartAnswer:
        """Calls the server once; a score for each text, or an error.

        Raises:
            NotNowError: Another attempt may succeed.
            RerankdError: It would not.
        """

    async def _score_part(self, call: TextCall, deadline: float) -> PartAnswer:
        async with self._places:
            return await repeatedly(
                lambda timeout_seconds: self.attempt(call, timeout_seconds),
                retries=self.settings.retries,
                longest_seconds=self.settings.timeout_seconds,
                deadline=deadline,
            )

    def _split(self, call: TextCall) -> list[slice]:
        # Counted at the most that a code point takes: encoding every text to count it costs more.
        return runs_within(
            [4 * len(text) for text in call.texts],
            max_items=self.settings.max_documents,
            max_weight=MAX_PART_BYTES,
        )
