"""The nouns of reranking: what comes in, what goes out."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rerankd.core.quota import Quota


class LongDocument(enum.Enum):
    """What happens to a document that is longer than the model reads."""

    TRUNCATE_END = "truncate_end"
    """Its beginning is scored."""
    TRUNCATE_START = "truncate_start"
    """Its end is scored."""
    BEST_PASSAGE = "best_passage"
    """Overlapping windows are scored; the best one's score counts and its span is told."""
    REJECT = "reject"
    """The request fails, naming the document."""


class FailureMode(enum.Enum):
    """What the caller gets when scoring fails."""

    FAIL = "fail"
    ORIGINAL_ORDER = "original_order"


class DeadlineMode(enum.Enum):
    """What the caller gets when the deadline comes first."""

    FAIL = "fail"
    PARTIAL = "partial"


class Priority(enum.Enum):
    """Whose turn it is when work waits."""

    INTERACTIVE = "interactive"
    BULK = "bulk"


class Outcome(enum.Enum):
    """What kind of ranking a reply holds."""

    RERANKED = "reranked"
    PARTIAL = "partial"
    PASSTHROUGH = "passthrough"


class ModelState(enum.Enum):
    """Where a model is in its life."""

    UNLOADED = "unloaded"
    LOADING = "loading"
    WARMING = "warming"
    ACTIVE = "active"
    FAILED = "failed"
    UNLOADING = "unloading"


class WarmupStage(enum.Enum):
    """Steps from a model's name to its first fast answer, in order."""

    RESOLVE = "resolve"
    DOWNLOAD = "download"
    VERIFY = "verify"
    SESSION = "session"
    SHAPES = "shapes"
    GOLDEN = "golden"
    SAMPLES = "samples"
    PROBE = "probe"
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A candidate as the caller sent it: `text`, or `fields` of which some are scored."""

    text: str = ""
    id: str = ""
    fields: Mapping[str, object] | None = None
    original_score: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a request wants to be ranked; api.md tells each one, the defaults are its defaults."""

    model: str = ""
    top_n: int = 0
    return_documents: bool = False
    raw_scores: bool = False
    max_tokens_per_document: int = 0
    min_score: float | None = None
    document_fields: tuple[str, ...] = ()
    long_document: LongDocument = LongDocument.TRUNCATE_END
    max_scored_documents: int = 0
    original_score_weight: float = 0.0
    on_failure: FailureMode | None = None
    """None: what the server is configured to do."""
    on_deadline: DeadlineMode = DeadlineMode.FAIL
    priority: Priority | None = None
    """None: INTERACTIVE for a unary call, BULK for a stream."""
    instruction: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks and how long they wait: what the scheduler needs to be fair and on time."""

    client: str = ""
    """Identity for fairness: the key's name where there is one, else the peer's address."""
    deadline: float | None = None
    """Instant on the clock of `time.monotonic`, in seconds; None = no deadline."""
    models: tuple[str, ...] | None = None
    """Patterns of ids, or names, of the models that the caller may use; None = all of them."""
    quota: Quota | None = None
    """How much the caller may have scored; None = no bound of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """Part of a document's scored text, in Unicode code points, end exclusive."""

    start_char: int
    end_char: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One document of a ranking."""

    index: int
    """Position in the request, counted across the chunks of a stream."""
    score: float
    scored: bool = True
    rank: int = 0
    """From 1; 0 until the ranking is final."""
    id: str = ""
    logit: float | None = None
    original_score: float | None = None
    document: Document | None = None
    dropped_tokens: int = 0
    passage: Passage | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRef:
    """Which model, in which revision, gave the scores."""

    id: str
    revision: str
    backend: str


@dataclass(slots=True, kw_only=True)
class Usage:
    """What a request cost."""

    documents: int = 0
    scored_documents: int = 0
    tokens: int = 0
    truncated_documents: int = 0
    cache_hits: int = 0
    deduplicated: int = 0
    provider_units: int = 0
    provider_cost: float = 0.0
    provider_units_estimated: bool = False


@dataclass(slots=True, kw_only=True)
class Timing:
    """Where the time went, in seconds of wall clock.

    `queue` is the wait before the first pair ran; `tokenize` and `inference` add up the work of
    this request's share of each step and may overlap each other.
    """

    queue_seconds: float = 0.0
    tokenize_seconds: float = 0.0
    inference_seconds: float = 0.0
    total_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """The answer to one request."""

    results: Sequence[Result]
    model: ModelRef
    usage: Usage = field(default_factory=Usage)
    timing: Timing = field(default_factory=Timing)
    outcome: Outcome = Outcome.RERANKED
    outcome_reason: str = ""
