"""What every backend must pass, also one that lives outside this repository.

A test module of the backend derives a class, and pytest finds the checks:

    class TestMyBackend(BackendAcceptance):
        def make_backend(self) -> Backend:
            return MyBackend(...)

Each check opens a backend, uses it as the core does and closes it. pytest is not imported here, and
a check that fails says what the port demands.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np

from rerankd.backends.base import Backend, EncodedPair, EncodedQuery, EncodeOptions, Float32Array
from rerankd.core.errors import DocumentTooLongError, InvalidRequestError
from rerankd.core.types import LongDocument

_QUERY = "how do plants make food"
_TEXTS = (
    "Plants make food from light, water and carbon dioxide.",
    "A committee met on Tuesday to talk about the budget of the harbour and of its two ferries, which "
    "are old, loud and late.",
    "Leaves are green.",
    "food",
    "The river is long. " * 8,
)
_AWKWARD_TEXTS = (
    "",
    " ",
    "\x00",
    "before\x00after \x01\x1f\x7f",
    "\U0001f600\U0001f1e9\U0001f1ea e\u0301 \u200d \u2028 \ufeff \ufffd",
    "\u4f60\u597d\uff0c\u4e16\u754c \u0645\u0631\u062d\u0628\u0627 \u0928\u092e\u0938\u094d\u0924\u0947",
    "[CLS] [SEP] <s> </s> [PAD] <pad>",
    "x" * 10_000,
)


class BackendAcceptance:
    """The port of `rerankd.backends.base` as checks; derive and say how a backend is made."""

    tolerance: float = 1e-5
    """How far a logit may move with its neighbours, absolute plus relative. Only a backend that
    states a coarser arithmetic may raise it."""

    def make_backend(self) -> Backend:
        """A loaded backend; called once for each check, which closes it."""
        raise NotImplementedError("derive from BackendAcceptance and give a loaded backend")

    def test_description_is_sane(self) -> None:
        """Status and the scheduler can use what the backend says of itself."""
        with self._open() as backend:
            description = backend.description
            for name in ("id", "backend", "device", "precision"):
                _expect(bool(getattr(description, name)), f"description.{name} is empty")
            for name in ("max_tokens", "batch_tokens", "lanes"):
                _expect(getattr(description, name) >= 1, f"description.{name} is below 1")
            _expect(backend.description == description, "the description changes")

    def test_scores_are_float32_in_order(self) -> None:
        """One finite float32 for each pair, in the order of the pairs."""
        with self._open() as backend:
            pairs = _pairs(backend, _TEXTS)
            scores = backend.score(pairs, 0)
            _expect(scores.dtype == np.float32, f"scores are {scores.dtype}, not float32")
            _expect(scores.shape == (len(pairs),), f"{len(pairs)} pairs give shape {scores.shape}")
            _expect(bool(np.isfinite(scores).all()), "a plain sentence has a score that is not finite")
            _expect(len(set(scores.tolist())) > 1, "all texts have the same score")
            self._expect_close(backend.score(pairs[::-1], 0), scores[::-1], "in reverse order")

    def test_neighbours_do_not_matter(self) -> None:
        """A pair scores the same alone, in a batch, and beside a much longer one."""
        with self._open() as backend:
            pairs = _pairs(backend, _TEXTS)
            together = backend.score(pairs, 0)
            alone = np.concatenate([backend.score([pair], 0) for pair in pairs])
            self._expect_close(alone, together, "alone")
            beside_longest = np.array([backend.score([pair, pairs[-1]], 0)[0] for pair in pairs])
            self._expect_close(beside_longest, together, "beside a longer pair")

    def test_texts_do_not_matter_to_each_other(self) -> None:
        """A text becomes the same tokens whatever is encoded with it."""
        with self._open() as backend:
            together = [pair.tokens for pair in _pairs(backend, _TEXTS)]
            alone = [_pairs(backend, [text])[0].tokens for text in _TEXTS]
            _expect(together == alone, f"tokens are {alone} one by one and {together} in one call")

    def test_awkward_texts_are_scored(self) -> None:
        """Empty, NUL, control characters, emoji, special tokens in the text: all give a finite score."""
        with self._open() as backend:
            pairs = _pairs(backend, _AWKWARD_TEXTS)
            _expect(len(pairs) == len(_AWKWARD_TEXTS), "a text that fits gives more than one pair")
            for text, pair in zip(_AWKWARD_TEXTS, pairs, strict=True):
                score = backend.score([pair], 0)
                _expect(bool(np.isfinite(score).all()), f"{text[:20]!r} has a score that is not finite")
            for query in _AWKWARD_TEXTS[2:-1]:
                backend.encode_query(query)

    def test_short_documents_are_whole(self) -> None:
        """Nothing is dropped of a document that fits, and its span is all of it."""
        with self._open() as backend:
            for text, pair in zip(_TEXTS, _pairs(backend, _TEXTS), strict=True):
                _expect(pair.dropped_tokens == 0, "tokens of a short document are dropped")
                span = (pair.start_char, pair.end_char)
                _expect(span == (0, len(text)), f"the span is {span} for {len(text)} code points")
                _expect(0 < pair.tokens <= backend.description.max_tokens, "a pair is longer than max_tokens")

    def test_long_documents_are_truncated(self) -> None:
        """Either end is kept, within the model's limit, and what is dropped is counted."""
        with self._open() as backend:
            text = _long_text(backend)
            for mode in (LongDocument.TRUNCATE_END, LongDocument.TRUNCATE_START):
                (pair,) = _pairs(backend, [text], EncodeOptions(long_document=mode))
                _expect(pair.tokens <= backend.description.max_tokens, f"{mode}: the pair is too long")
                _expect(pair.dropped_tokens > 0, f"{mode}: dropped tokens are not counted")
                first, last = pair.start_char == 0, pair.end_char == len(text)
                kept_start = mode is LongDocument.TRUNCATE_END
                _expect((first, last) == (kept_start, not kept_start), f"{mode}: the wrong end is kept")

    def test_windows_cover_a_long_document(self) -> None:
        """With BEST_PASSAGE every code point is in a window, neighbours overlap, nothing is dropped."""
        with self._open() as backend:
            text = _long_text(backend)
            windows = _pairs(backend, [text], EncodeOptions(long_document=LongDocument.BEST_PASSAGE))
            _expect(len(windows) > 1, "a long document has one window")
            _expect(windows[0].start_char == 0, "the first window does not start with the text")
            _expect(windows[-1].end_char == len(text), "the last window does not end with the text")
            for window in windows:
                _expect(window.tokens <= backend.description.max_tokens, "a window is too long")
                _expect(window.dropped_tokens == 0, "a window counts tokens that another one has as dropped")
            for window, following in itertools.pairwise(windows):
                _expect(window.start_char < following.start_char, "windows do not go forward")
                _expect(following.start_char < window.end_char, "neighbouring windows do not overlap")

    def test_long_documents_can_be_refused(self) -> None:
        """With REJECT the error names the document; the ones that fit are no matter."""
        with self._open() as backend:
            options = EncodeOptions(long_document=LongDocument.REJECT)
            _expect(len(_pairs(backend, _TEXTS, options)) == len(_TEXTS), "documents that fit are refused")
            try:
                _pairs(backend, ["short", _long_text(backend)], options)
            except DocumentTooLongError as error:
                _expect(error.field == "documents[1]", f"the field is {error.field!r}, not documents[1]")
                return
            raise AssertionError("REJECT accepts a document that does not fit")

    def test_documents_can_be_limited_further(self) -> None:
        """`max_tokens_per_document` cuts below the model's limit; what is cut is counted."""
        with self._open() as backend:
            (whole,) = _pairs(backend, [_TEXTS[4]])
            (cut,) = _pairs(backend, [_TEXTS[4]], EncodeOptions(max_tokens_per_document=4))
            _expect(cut.dropped_tokens > 0, "nothing is dropped")
            _expect(cut.tokens + cut.dropped_tokens == whole.tokens, "kept and dropped do not add up")
            _expect(bool(np.isfinite(backend.score([cut], 0)).all()), "a cut document has no finite score")

    def test_long_queries_are_refused(self) -> None:
        """A query that leaves no room for a document is the caller's error, not a crash."""
        with self._open() as backend:
            try:
                backend.encode_query(_long_text(backend))
            except InvalidRequestError as error:
                _expect(error.field == "query", f"the field is {error.field!r}, not query")
                return
            raise AssertionError("a query longer than the model reads is accepted")

    def test_threads_may_encode_at_once(self) -> None:
        """Encoding from several threads gives what one thread gives."""
        with self._open() as backend:
            expected = backend.score(_pairs(backend, _TEXTS), 0)
            with ThreadPoolExecutor(max_workers=4) as threads:
                encoded = list(threads.map(lambda _: _pairs(backend, _TEXTS), range(16)))
            for pairs in encoded:
                self._expect_close(backend.score(pairs, 0), expected, "encoded by several threads")

    def test_lanes_agree(self) -> None:
        """Every lane gives the same scores, also when all of them run at once."""
        with self._open() as backend:
            pairs = _pairs(backend, _TEXTS)
            expected = backend.score(pairs, 0)
            lanes = range(backend.description.lanes)
            with ThreadPoolExecutor(max_workers=len(lanes)) as threads:
                for scores in threads.map(lambda lane: backend.score(pairs, lane), lanes):
                    self._expect_close(scores, expected, "on another lane")

    @contextmanager
    def _open(self) -> Iterator[Backend]:
        backend = self.make_backend()
        try:
            yield backend
        finally:
            backend.close()

    def _expect_close(self, got: Float32Array, wanted: Float32Array, how: str) -> None:
        scale = np.maximum(1.0, np.abs(wanted))
        worst = float((np.abs(got - wanted) / scale).max(initial=0.0))
        _expect(worst <= self.tolerance, f"scores differ by {worst:.3g} {how}; {self.tolerance:g} is allowed")


def _pairs(backend: Backend, texts: Sequence[str], options: EncodeOptions | None = None) -> list[EncodedPair]:
    query: EncodedQuery = backend.encode_query(_QUERY)
    encoded = backend.encode_documents(query, list(texts), options or EncodeOptions())
    _expect(len(encoded) == len(texts), f"{len(texts)} texts give {len(encoded)} lists of pairs")
    return [pair for windows in encoded for pair in windows]


def _long_text(backend: Backend) -> str:
    """A text of at least twice as many tokens as the model reads, no two parts of it alike."""
    words = ("plant", "river", "light", "green", "food", "stone", "harbour")
    count = 2 * backend.description.max_tokens
    return " ".join(f"{words[number % len(words)]} {number}" for number in range(count))


def _expect(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)
