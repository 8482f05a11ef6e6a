"""The port between the core and whatever scores pairs.

A backend is loaded, warm and immutable by the time the core sees it. The core calls `encode` from
a few threads at once and `score` from exactly one thread for each lane in `description.lanes`;
neither is ever called on the event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from rerankd.core.types import LongDocument, WarmupStage

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
    device: str
    provider: str
    precision: str
    max_tokens: int
    """Longest pair that the model reads, special tokens included."""
    batch_tokens: int
    """Padded tokens of one micro-batch that suit the device best."""
    lanes: int = 1
    """How many threads may call `score` at once."""
    license: str = ""
    supports_instruction: bool = False


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
