"""A real, tiny backend: scores by shared words, with faults on request.

It implements the whole port, so that everything above it runs as in production; only the model is
small enough to be known by heart.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from rerankd.backends.base import (
    BackendDescription,
    EncodeOptions,
    Float32Array,
    NoBackend,
    ProgressReporter,
)
from rerankd.backends.passthrough import NONE, PassthroughModels
from rerankd.core.errors import DocumentTooLongError, InvalidRequestError, ModelNotFoundError
from rerankd.core.types import LongDocument, WarmupStage

NAN_WORD = "notanumber"
RAISE_WORD = "explode"
KILL_WORD = "assassinate"
MAX_TOKENS = 64
SPECIAL_TOKENS = 3


def expected_logit(query: str, text: str) -> float:
    """Shared words less a little for length: what the backend gives a pair that fits."""
    query_words, words = set(query.split()), text.split()
    return float(np.float32(len(query_words & set(words)) - 0.01 * len(words) - 1.0))


@dataclass(frozen=True, slots=True)
class Query:
    text: str

    @property
    def tokens(self) -> int:
        return len(self.text.split())


@dataclass(frozen=True, slots=True)
class Pair:
    query: str
    text: str
    tokens: int
    dropped_tokens: int
    start_char: int
    end_char: int


@dataclass(eq=False)
class FakeBackend:
    """Words are tokens; a pair holds at most 64 with three special ones."""

    id: str = "test/fake"
    batch_tokens: int = 128
    lanes: int = 1
    gate: threading.Event = field(default_factory=threading.Event)
    """Scoring waits while it is clear; it starts set."""
    batches: list[list[Pair]] = field(default_factory=list)
    closed: bool = False
    revision: str = "r1"
    shift: float = 0.0
    """Added to every logit: what tells the scores of two revisions apart."""
    freed: threading.Event = field(default_factory=threading.Event)
    """Set by `close`."""

    def __post_init__(self) -> None:
        self.gate.set()
        self.started = threading.Semaphore(0)
        """Released once at the start of every micro-batch."""

    @property
    def description(self) -> BackendDescription:
        return BackendDescription(
            id=self.id,
            revision=self.revision,
            backend="fake",
            device="cpu",
            provider="none",
            precision="fp32",
            max_tokens=MAX_TOKENS,
            batch_tokens=self.batch_tokens,
            lanes=self.lanes,
        )

    def encode_query(self, query: str) -> Query:
        encoded = Query(query)
        if encoded.tokens > MAX_TOKENS // 2:
            raise InvalidRequestError(f"query has {encoded.tokens} tokens; the limit is 32", field="query")
        return encoded

    def encode_documents(
        self, query: Query, texts: Sequence[str], options: EncodeOptions
    ) -> list[list[Pair]]:
        room = MAX_TOKENS - SPECIAL_TOKENS - query.tokens
        if options.max_tokens_per_document:
            room = min(room, options.max_tokens_per_document)
        return [self._encode(query, text, i, room, options.long_document) for i, text in enumerate(texts)]

    def _encode(self, query: Query, text: str, index: int, room: int, mode: LongDocument) -> list[Pair]:
        words = text.split()
        excess = len(words) - room
        if excess <= 0:
            return [self._pair(query, text, words, 0, 0, len(text))]
        if mode is LongDocument.REJECT:
            raise DocumentTooLongError(
                f"documents[{index}] has {len(words)} tokens; the limit is {room}",
                field=f"documents[{index}]",
                metadata={"index": str(index), "tokens": str(len(words)), "limit": str(room)},
            )
        if mode is LongDocument.BEST_PASSAGE:
            starts = range(0, len(words) - room // 4, room - room // 4)
            return [self._window(query, text, words, start, room) for start in starts]
        kept = words[:room] if mode is LongDocument.TRUNCATE_END else words[-room:]
        return [self._pair(query, " ".join(kept), kept, excess, 0, len(text))]

    def _window(self, query: Query, text: str, words: list[str], start: int, room: int) -> Pair:
        kept = words[start : start + room]
        offset = len(" ".join(words[:start])) + (start > 0)
        body = " ".join(kept)
        return self._pair(query, body, kept, 0, offset, offset + len(body))

    @staticmethod
    def _pair(query: Query, text: str, words: list[str], dropped: int, start: int, end: int) -> Pair:
        return Pair(query.text, text, SPECIAL_TOKENS + query.tokens + len(words), dropped, start, end)

    def score(self, pairs: Sequence[Pair], lane: int) -> Float32Array:
        self.batches.append(list(pairs))
        self.started.release()
        self.gate.wait()
        for pair in pairs:
            if RAISE_WORD in pair.text:
                raise RuntimeError("the runtime exploded at /secret/path")
            if KILL_WORD in pair.text:
                raise SystemExit
        logits = [
            math.nan if NAN_WORD in pair.text else self.shift + expected_logit(pair.query, pair.text)
            for pair in pairs
        ]
        return np.array(logits, dtype=np.float32)

    def close(self) -> None:
        self.closed = True
        self.freed.set()

    @property
    def scored_pairs(self) -> int:
        """Pairs that reached the model so far."""
        return sum(len(batch) for batch in self.batches)


class FakeCatalogue:
    """`default`, `none` and `test/*` exist; anything else may not be loaded."""

    def __init__(self, default: str = "test/fake") -> None:
        self._default = default

    def canonical(self, name: str) -> str:
        if name in ("", "default"):
            return self._default
        if name == NONE:
            return NONE
        if not name.startswith("test/"):
            raise ModelNotFoundError(f"model {name!r} is not allowed here", metadata={"model": name})
        return name

    def aliases_of(self, model_id: str) -> tuple[str, ...]:
        return ("default",) if model_id == self._default else ()


def fake_loader(backend: FakeBackend) -> Callable[[str, ProgressReporter], FakeBackend | NoBackend]:
    """A loader that reports its stages and gives `backend` for every id but `none`."""

    def load(model_id: str, report: ProgressReporter) -> FakeBackend | NoBackend:
        if model_id == NONE:
            return PassthroughModels().load(model_id, report)
        for stage in (WarmupStage.RESOLVE, WarmupStage.VERIFY, WarmupStage.SESSION, WarmupStage.GOLDEN):
            report(stage, 1.0, stage.value)
        return backend

    return load
