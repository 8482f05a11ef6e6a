"""A request's way through a local model: tokenized in worker threads, scored in micro-batches."""

from __future__ import annotations

import asyncio
import itertools
import logging
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

from rerankd.backends.base import EncodedPair, EncodedQuery, EncodeOptions, Float32Array
from rerankd.core.documents import scored_text
from rerankd.core.errors import BackendFailedError, DocumentTooLongError, InternalError, RerankdError
from rerankd.core.limits import Limits
from rerankd.core.loaded import LocalModel
from rerankd.core.micro_batch import QueuedPair, Ticket
from rerankd.core.policy import estimate_tokens
from rerankd.core.ranking import score_of
from rerankd.core.reranking import RerankingPolicy
from rerankd.core.run import Group, Run, non_finite
from rerankd.core.score_cache import PairScore, ScoreCache, key_of
from rerankd.core.telemetry import Telemetry
from rerankd.core.types import Document, LongDocument, Options, Passage, Priority, Result

logger = logging.getLogger(__name__)

TOKENIZE_SLICE = 64
"""Documents tokenized in one go: few enough that inference starts early and turns are taken."""
_SAMPLE = 32
"""Documents that are looked up first where a request is about to be refused."""


class ScoringRun(Run):
    """A run on a model of this process."""

    def __init__(
        self,
        model: LocalModel,
        query: str,
        options: Options,
        *,
        limits: Limits,
        policy: RerankingPolicy,
        tokenizers: Executor,
        on_result: Callable[[Result], None],
        whole: bool,
        telemetry: Telemetry,
        cache: ScoreCache | None = None,
    ) -> None:
        """`whole`: every document is added by one `add`."""
        super().__init__(
            query,
            options,
            limits=limits,
            policy=policy,
            on_result=on_result,
            model_id=model.ref.id,
            telemetry=telemetry,
        )
        self._whole = whole
        self._model = model
        self._tokenizers = tokenizers
        self._cache = cache
        self._priority = Priority.BULK
        self._late: set[asyncio.Task[None]] = set()
        self._ticket: Ticket | None = None
        self._encoded_query: EncodedQuery | None = None
        self._encode_options = EncodeOptions(
            long_document=options.long_document, max_tokens_per_document=options.max_tokens_per_document
        )
        self._key_of = (
            key_of(model.backend.description, query, self._encode_options) if cache is not None else None
        )

    def open(
        self,
        *,
        client: str,
        priority: Priority,
        deadline: float | None,
        estimated_tokens: int,
        done_by: float | None = None,
    ) -> None:
        """Takes a place in the scheduler; raises what `Scheduler.open` raises."""
        self._priority, self._deadline = priority, deadline
        self._ticket = self._model.scheduler.open(
            self,
            client=client,
            priority=priority,
            deadline=deadline,
            estimated_tokens=estimated_tokens,
            done_by=done_by,
            whole=self._whole,
        )

    @property
    def documents_per_second(self) -> float:
        """By the pace of the model, whoever else it serves."""
        if not self.usage.tokens:
            return 0.0
        return self._model.scheduler.pace.tokens_per_second * self.usage.scored_documents / self.usage.tokens

    def _end(self) -> None:
        if self._ticket is not None:
            self._model.scheduler.close(self._ticket)
            self._waited(self._ticket.opened_at, self._ticket.first_run_at)
        for group in self._groups.values():
            if self._cache is not None and group.claimed is not None:
                self._cache.abandon(group.claimed)
                group.claimed = None

    async def add(self, indexes: Sequence[int], documents: Sequence[Document]) -> None:
        """Queues documents; returns when the last one is queued, not when it is scored.

        Args:
            indexes: The index of each document within the request.
            documents: As many documents.

        Raises:
            InvalidRequestError: A document cannot be scored as it is; its field is named.
        """
        self.usage.documents += len(documents)
        for start in range(0, len(documents), TOKENIZE_SLICE):
            part = slice(start, start + TOKENIZE_SLICE)
            fresh = self._unknown(self._group(indexes[part], documents[part]))
            if self.failure is None:
                # Where every score is known nothing else would let the event loop go.
                await (self._encode_and_push(fresh) if fresh else asyncio.sleep(0))
        if self._whole and self._ticket is not None:
            self._model.scheduler.pushed_all(self._ticket)

    def unknown(self, documents: Sequence[Document]) -> Sequence[Document]:
        """Those whose text is new here; what another request is scoring counts as unknown.

        Where none of some documents from all over the request is in the score cache, the others are not
        looked up: who is to be refused is to be refused soon.
        """
        fresh: dict[str, Document] = {}
        for index, document in enumerate(documents):
            text = scored_text(document, self._options.document_fields, index)
            fresh.setdefault(text[: self._snippet_chars] if self._snippet_chars else text, document)
        some = itertools.islice(fresh, None, None, max(1, len(fresh) // _SAMPLE))
        if not any(map(self._is_known, some)):
            return list(fresh.values())
        return [document for text, document in fresh.items() if not self._is_known(text)]

    def _is_known(self, text: str) -> bool:
        return self._cache is not None and self._key_of is not None and self._cache.knows(self._key_of(text))

    def on_scores(self, pairs: Sequence[QueuedPair], logits: Float32Array, seconds: float) -> None:
        """Takes a micro-batch's logits of this run."""
        self.timing.inference_seconds += seconds
        self._telemetry.work.on_scored(self._model_id, 0, sum(queued.tokens for queued in pairs))
        for queued, value in zip(pairs, logits.tolist(), strict=True):
            group = queued.owner
            assert isinstance(group, Group)  # noqa: S101 - narrows the scheduler's opaque owner
            if not math.isfinite(value):
                self.on_failure(non_finite(group))
                return
            self.usage.tokens += queued.tokens
            group.windows_left -= 1
            if group.best is None or value > group.best_logit:
                group.best, group.best_logit = queued.pair, value
            if not group.windows_left:
                self._settle(group)
        self.changed.set()

    def on_cached(self, waiting: object, score: PairScore) -> None:
        """Takes a score that another request had made."""
        assert isinstance(waiting, Group)  # noqa: S101 - narrows the cache's opaque waiter
        if not self._closed and self._groups.get(waiting.text) is waiting:
            self.usage.cache_hits += len(waiting.members)
            self._told(waiting, score)
            self.changed.set()

    def on_abandoned(self, waiting: object) -> None:
        """Scores what another request was to score and will not."""
        assert isinstance(waiting, Group)  # noqa: S101
        if not self._closed and self._groups.get(waiting.text) is waiting:
            task = asyncio.create_task(self._score_late(waiting), name="score-late")
            self._late.add(task)
            task.add_done_callback(self._late.discard)

    def _unknown(self, groups: list[Group]) -> list[Group]:
        """Answers what the cache knows, and returns what this run has to score itself."""
        if self._cache is None or self._key_of is None:
            return groups
        unknown = []
        for group in groups:
            key = self._key_of(group.text)
            score = self._cache.find(key)
            if score is not None:
                self.on_cached(group, score)
            elif self._cache.claim(key, self._priority, self, group):
                group.claimed = key
                unknown.append(group)
        return unknown

    async def _score_late(self, group: Group) -> None:
        try:
            unknown = [] if self._closed else self._unknown([group])
            if unknown:
                await self._encode_and_push(unknown)
        except RerankdError as error:
            self.on_failure(error)
        except Exception:
            # Nobody awaits this task: without an answer here the request would wait for ever.
            logger.exception("scoring what another request left failed")
            self.on_failure(InternalError("an internal error; the operator's log has the cause"))

    async def _encode_and_push(self, groups: list[Group]) -> None:
        started = time.monotonic()
        loop = asyncio.get_running_loop()
        encoded = await loop.run_in_executor(self._tokenizers, self._encode, groups)
        ended = time.monotonic()
        self.timing.tokenize_seconds += ended - started
        if self._ticket is not None and self._ticket.trace is not None:
            self._ticket.trace.stage("tokenize", started, ended, len(groups))
        queued: list[QueuedPair] = []
        for group, pairs in zip(groups, encoded, strict=True):
            group.windows_left = len(pairs)
            queued += [QueuedPair(pair, group) for pair in pairs]
        if self._ticket is not None:
            self._model.scheduler.push(self._ticket, queued)
            self._learn(groups, sum(pair.tokens for pair in queued))

    def _learn(self, groups: Sequence[Group], tokens: int) -> None:
        """Tells how far the estimate of a request's cost is from the truth."""
        texts = [Document(text=group.text) for group in groups]
        most = self._model.description.max_tokens
        self._model.scheduler.pace.learn(estimate_tokens(self._query, texts, self._options, most), tokens)

    def _encode(self, groups: list[Group]) -> list[list[EncodedPair]]:
        """Tokenizes in a worker thread; the query only the first time."""
        backend = self._model.backend
        try:
            if self._encoded_query is None:
                self._encoded_query = backend.encode_query(self._query)
            return backend.encode_documents(
                self._encoded_query, [g.text for g in groups], self._encode_options
            )
        except DocumentTooLongError as error:
            raise _renumbered(error, groups) from error
        except Exception:
            raise
        except BaseException as error:
            # A panic of a native library is no Exception: on the loop it would pass by all who catch.
            raise BackendFailedError(f"the model's tokenizer failed ({type(error).__name__})") from error

    def _settle(self, group: Group) -> None:
        """Takes a score that this run had made, and shares it."""
        best = group.best
        assert best is not None  # noqa: S101 - a group has at least one window
        score = PairScore(
            logit=group.best_logit,
            dropped_tokens=best.dropped_tokens,
            start_char=best.start_char,
            end_char=best.end_char,
        )
        self._told(group, score)
        if self._cache is not None and group.claimed is not None:
            self._cache.settle(group.claimed, score)

    def _told(self, group: Group, score: PairScore) -> None:
        """Finishes a group with what the model said of it."""
        passage = None
        if self._options.long_document is LongDocument.BEST_PASSAGE:
            passage = Passage(start_char=score.start_char, end_char=score.end_char)
        self._finish(
            group,
            score=score_of(score.logit, self._options),
            logit=score.logit,
            dropped_tokens=score.dropped_tokens,
            passage=passage,
        )


def _renumbered(error: DocumentTooLongError, groups: Sequence[Group]) -> DocumentTooLongError:
    """The backend counts within a slice; the caller counts within the request."""
    position = int(error.metadata["index"])
    index = groups[position].members[0][0]
    return DocumentTooLongError(
        error.message.replace(f"documents[{position}]", f"documents[{index}]"),
        field=f"documents[{index}]",
        metadata={**error.metadata, "index": str(index)},
    )
