"""One request's documents on their way to scores, however the scores are made."""

from __future__ import annotations

import asyncio
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from rerankd.backends.base import EncodedPair
from rerankd.core.documents import scored_text
from rerankd.core.errors import DrainingError, NonFiniteScoreError, RerankdError
from rerankd.core.limits import Limits
from rerankd.core.reranking import RerankingPolicy
from rerankd.core.telemetry import Dropped, Telemetry
from rerankd.core.types import Document, Options, Passage, Priority, Result, Timing, Usage


@dataclass(slots=True, eq=False)
class Group:
    """Documents of one request that share a text: it is scored once for all of them."""

    text: str
    cut: bool = False
    """Whether the operator's bound on characters left something out."""
    members: list[tuple[int, Document]] = field(default_factory=list)
    windows_left: int = 0
    best_logit: float = -math.inf
    best: EncodedPair | None = None
    claimed: bytes | None = None
    """Key in the score cache of a score that this group is to make."""


class Run(ABC):
    """Scores the documents of one request as they are added.

    Lives on the event loop. `on_result` is called for each document whose score is known. After
    `failure` is set nothing more is scored. Texts are forgotten as soon as they are scored.
    """

    def __init__(
        self,
        query: str,
        options: Options,
        *,
        limits: Limits,
        policy: RerankingPolicy,
        on_result: Callable[[Result], None],
        model_id: str,
        telemetry: Telemetry,
    ) -> None:
        self.usage = Usage()
        self.timing = Timing()
        self.failure: RerankdError | None = None
        self.changed = asyncio.Event()
        """Set whenever a score or a failure has come; whoever waits on it clears it."""
        self._query = query
        self._options = options
        self._limits = limits
        self._snippet_chars = policy.snippet_chars
        self._on_result = on_result
        self._groups: dict[str, Group] = {}
        self._in_flight = 0
        self._model_id = model_id
        self._telemetry = telemetry
        self._deadline: float | None = None
        self._closed = False

    @property
    def in_flight(self) -> int:
        """Documents added and not yet scored."""
        return self._in_flight

    @property
    def documents_per_second(self) -> float:
        """What the model scores of documents like those of this run so far; 0 = not known."""
        return 0.0

    @abstractmethod
    def open(
        self,
        *,
        client: str,
        priority: Priority,
        deadline: float | None,
        estimated_tokens: int,
        done_by: float | None = None,
    ) -> None:
        """Takes a place among the model's work.

        Args:
            client: Whose work it is.
            priority: Whose turn it is when work waits.
            deadline: Instant after which nobody wants the scores; None = there is none.
            estimated_tokens: What a unary call will cost; 0 for a stream.
            done_by: Instant at which the last score has to be known to be of use; None = any is of use.

        Raises:
            OverloadedError: There is no room, or no time; only where `estimated_tokens` is above 0.
            DrainingError: The model is being stopped.
        """

    def close(self, why: Dropped = Dropped.CANCELLED) -> None:
        """Gives the place back; what is not scored by now never is, for the reason given.

        Can be called twice; the first call counts.
        """
        if self._closed:
            return
        self._closed = True
        if self._in_flight:
            late = self._deadline is not None and time.monotonic() >= self._deadline
            told = Dropped.DEADLINE if late and why is Dropped.CANCELLED else why
            self._telemetry.work.on_dropped(told, self._in_flight)
        self._telemetry.work.on_ended(self.usage.tokens)
        self._end()

    @abstractmethod
    def _end(self) -> None:
        """Gives the place back; called once."""

    def unknown(self, documents: Sequence[Document]) -> Sequence[Document]:
        """Those that have to be scored: none that repeats another, or whose score is known already."""
        return documents

    @abstractmethod
    async def add(self, indexes: Sequence[int], documents: Sequence[Document]) -> None:
        """Queues documents; returns when the last one is queued, not when it is scored.

        Args:
            indexes: The index of each document within the request.
            documents: As many documents.

        Raises:
            InvalidRequestError: A document cannot be scored as it is; its field is named.
        """

    async def drained(self) -> None:
        """Returns when every added document is scored.

        Raises:
            RerankdError: What made the run fail.
        """
        while self._groups and self.failure is None:
            self.changed.clear()
            await self.changed.wait()
        if self.failure is not None:
            raise self.failure

    def unscored(self) -> Iterator[Result]:
        """What is still without a score, in no order."""
        for group in self._groups.values():
            for index, document in group.members:
                yield unscored_result(index, document, self._options)

    def on_failure(self, error: RerankdError) -> None:
        """Ends the run with an error; the first one is kept."""
        if self.failure is None:
            self.failure = error
        self.close(Dropped.DRAINING if isinstance(error, DrainingError) else Dropped.FAILED)
        self.changed.set()

    def _group(self, indexes: Sequence[int], documents: Sequence[Document]) -> list[Group]:
        """Joins documents to the groups of equal texts that still wait; returns the new groups."""
        fresh: list[Group] = []
        self._in_flight += len(documents)
        for index, document in zip(indexes, documents, strict=True):
            whole = scored_text(document, self._options.document_fields, index)
            self._limits.check_text(whole, f"documents[{index}]")
            text = whole[: self._snippet_chars] if self._snippet_chars else whole
            group = self._groups.get(text)
            if group is None:
                group = self._groups[text] = Group(text)
                fresh.append(group)
            else:
                self.usage.deduplicated += 1
            group.cut |= len(text) < len(whole)
            group.members.append(
                (index, document if self._options.return_documents else _without_text(document))
            )
        return fresh

    def _finish(
        self,
        group: Group,
        *,
        score: float,
        logit: float | None,
        dropped_tokens: int = 0,
        passage: Passage | None = None,
    ) -> None:
        """Hands over the results of a group whose score is known."""
        del self._groups[group.text]
        self._in_flight -= len(group.members)
        self._telemetry.work.on_scored(self._model_id, len(group.members), 0)
        for index, document in group.members:
            self.usage.scored_documents += 1
            self.usage.truncated_documents += dropped_tokens > 0 or group.cut
            self._on_result(
                Result(
                    index=index,
                    id=document.id,
                    score=score,
                    logit=logit,
                    original_score=document.original_score,
                    document=document if self._options.return_documents else None,
                    dropped_tokens=dropped_tokens,
                    passage=passage,
                )
            )

    def _waited(self, opened_at: float, first_run_at: float | None) -> None:
        self.timing.queue_seconds = (first_run_at or time.monotonic()) - opened_at


def unscored_result(index: int, document: Document, options: Options) -> Result:
    """A document that takes part in the ranking without a score."""
    return Result(
        index=index,
        id=document.id,
        score=0.0,
        scored=False,
        original_score=document.original_score,
        document=document if options.return_documents else None,
    )


def non_finite(group: Group) -> NonFiniteScoreError:
    """What a request hears whose document got NaN or infinity."""
    index = group.members[0][0]
    return NonFiniteScoreError(
        f"the model gave a score that is not finite for documents[{index}]",
        field=f"documents[{index}]",
        metadata={"index": str(index)},
    )


def _without_text(document: Document) -> Document:
    return Document(id=document.id, original_score=document.original_score)
