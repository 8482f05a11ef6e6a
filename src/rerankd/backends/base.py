"""The two ports between the core and whatever scores.

`Backend` is a model in this process: the core tokenizes, packs the pairs of many requests into
micro-batches and scores them. A backend is loaded, warm and immutable by the time the core sees it. The
core calls `encode` from a few threads at once and `score` from exactly one thread for each lane in
`description.lanes`; neither is ever called on the event loop.

`TextBackend` is handed a query with texts and answers with scores, however it comes by them: a provider,
another server, or somebody's code. It lives on the event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from rerankd.core.types import LongDocument, Priority, WarmupStage

Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]

ProgressReporter = Callable[[WarmupStage, float, str], None]
"""Told of each step of a load: stage, fraction of it done (0..1), a line for the operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendDescription:
    """What a loaded model is and where it runs, as Status shows it."""

    id: str
    revision: str
    backend: str
    device: str = ""
    provider: str = ""
    precision: str = ""
    max_tokens: int = 0
    """Longest pair that the model reads, special tokens included; 0 = not known."""
    batch_tokens: int = 0
    """Padded tokens of one micro-batch that suit the device best; 0 where others make the batches."""
    lanes: int = 1
    """How many threads may call `score` at once."""
    lanes_take_turns: bool = False
    """Whether one device computes for all lanes, so that a request is not faster for being shared among them;
    they only put the next micro-batch together while one runs."""
    license: str = ""
    supports_instruction: bool = False
    long_documents: tuple[LongDocument, ...] = tuple(LongDocument)
    """What it can do with documents that are longer than it reads."""
    supports_max_tokens: bool = True
    """Whether a request may say how much of a document is read."""
    is_cloud: bool = False
    """Whether a provider bills what is scored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodeOptions:
    """How the documents of a request become tokens."""

    long_document: LongDocument = LongDocument.TRUNCATE_END
    max_tokens_per_document: int = 0
    """0 = as many as the model and the query leave room for."""


class EncodedPair(Protocol):
    """One query-document pair, or one window of a long document, ready to be scored."""

    @property
    def tokens(self) -> int:
        """Length with special tokens, without padding."""

    @property
    def dropped_tokens(self) -> int:
        """Document tokens that the model will not see."""

    @property
    def start_char(self) -> int:
        """First code point of the document's text that is in the pair."""

    @property
    def end_char(self) -> int:
        """One past the last code point of the document's text that is in the pair."""


class EncodedQuery(Protocol):
    """A query, tokenized once for all of its documents."""

    @property
    def tokens(self) -> int:
        """Length without special tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextBackendTraits:
    """What the core has to know to hand out work to a `TextBackend`."""

    max_concurrency: int = 8
    """Calls of `score` under way at once; more wait in the core."""
    chunk_documents: int = 128
    """Documents of a stream that are handed over in one call. The documents of a unary request always are."""
    comparable: bool = True
    """Whether a score says the same whatever other documents are in the call (a pointwise model). Without
    it a stream, whose documents come in several calls, is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextCall:
    """Work for a `TextBackend`."""

    query: str
    texts: Sequence[str]
    """At least one; no two are equal."""
    timeout_seconds: float
    """What is left of the caller's deadline and the server's bound; the core gives up after it."""
    priority: Priority = Priority.INTERACTIVE
    raw_scores: bool = False
    """Whether the caller wants logits, where the backend has a choice."""
    instruction: str = ""
    long_document: LongDocument = LongDocument.TRUNCATE_END
    max_tokens_per_document: int = 0
    """0 = as many as the model reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextScores:
    """What a `TextBackend` answers."""

    scores: Sequence[float]
    """One for each text, in the order of the texts, higher is better; passed on as they are."""
    tokens: int = 0
    """What the provider says that it read; 0 = it does not say."""
    units: int = 0
    """What the provider bills, as it counts; 0 = nothing, or not known."""
    units_estimated: bool = False
    """Whether `units` is a guess because the answer did not tell."""
    cost_usd: float = 0.0
    """Price of `units`; 0 = nothing, or not known."""
    dropped_tokens: Sequence[int] = ()
    """Tokens that were not read of each text; empty = not told."""
    passages: Sequence[tuple[int, int]] = ()
    """Best passage of each text, in code points, end exclusive; empty unless asked for."""


@runtime_checkable
class TextBackend(Protocol):
    """Scores texts on the event loop, without ever blocking it."""

    @property
    def description(self) -> BackendDescription:
        """What this model is. Fields that only a local model has are empty or 0."""

    @property
    def traits(self) -> TextBackendTraits:
        """How it wants its work."""

    async def start(self, report: ProgressReporter) -> None:
        """Makes ready to score: called once, before anything else.

        Raises:
            ModelFailedError: It cannot score as it is configured.
            ProviderUnavailableError: It cannot now.
        """

    async def score(self, call: TextCall) -> TextScores:
        """Scores of the texts. At most `traits.max_concurrency` calls at once; may be cancelled.

        Raises:
            RerankdError: Told to the caller as it is; anything else that is raised becomes
                BACKEND_FAILED, with the cause in the log.
        """

    async def close(self) -> None:
        """Frees what it holds. No other method is called afterwards."""


@dataclass(frozen=True, slots=True)
class NoBackend:
    """What stands for the model that scores nothing and leaves every order as it is."""

    description: BackendDescription


class Backend(Protocol):
    """A loaded cross-encoder."""

    @property
    def description(self) -> BackendDescription:
        """What this model is; constant for the life of the backend."""

    def encode_query(self, query: str) -> EncodedQuery:
        """Tokenizes the query.

        Raises:
            InvalidRequestError: The query leaves the model no room for a document.
        """

    def encode_documents(
        self, query: EncodedQuery, texts: Sequence[str], options: EncodeOptions
    ) -> list[list[EncodedPair]]:
        """Pairs of each text, in order: one, or several windows with `BEST_PASSAGE`.

        Raises:
            DocumentTooLongError: With `REJECT`; its `field` is `documents[i]` with i the position
                in `texts`.
        """

    def score(self, pairs: Sequence[EncodedPair], lane: int) -> Float32Array:
        """Logits of the pairs, float32, shape (len(pairs),), in order.

        The logit of a pair does not depend on the other pairs beyond 1e-5. Non-finite values are
        returned as they are; the core reports them.
        """

    def close(self) -> None:
        """Frees the model. No other method is called afterwards."""


@runtime_checkable
class RoundsShapes(Protocol):
    """A backend that pads micro-batches to other shapes than their longest pair asks for."""

    def padded_tokens(self, pairs: Sequence[EncodedPair]) -> int:
        """Tokens that a micro-batch of these pairs costs, counting padding."""


def padded_tokens(backend: Backend, pairs: Sequence[EncodedPair]) -> int:
    """Tokens that a micro-batch of at least one pair costs a backend, counting padding."""
    if isinstance(backend, RoundsShapes):
        return backend.padded_tokens(pairs)
    return len(pairs) * max(pair.tokens for pair in pairs)


AnyBackend = Backend | TextBackend | NoBackend
"""What a load gives."""
