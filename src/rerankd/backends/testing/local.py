"""The checks of a model in this process."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np

from rerankd.backends.base import Backend, EncodedPair, EncodedQuery, EncodeOptions, Float32Array
from rerankd.backends.testing.expectations import AWKWARD_TEXTS, QUERY, TEXTS, expect
from rerankd.core.errors import DocumentTooLongError, InvalidRequestError
from rerankd.core.types import LongDocument


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
                expect(bool(getattr(description, name)), f"description.{name} is empty")
            for name in ("max_tokens", "batch_tokens", "lanes"):
                expect(getattr(description, name) >= 1, f"description.{name} is below 1")
            expect(backend.description == description, "the description changes")

    def test_scores_are_float32_in_order(self) -> None:
        """One finite float32 for each pair, in the order of the pairs."""
        with self._open() as backend:
            pairs = _pairs(backend, TEXTS)
            scores = backend.score(pairs, 0)
            expect(scores.dtype == np.float32, f"scores are {scores.dtype}, not float32")
            expect(scores.shape == (len(pairs),), f"{len(pairs)} pairs give shape {scores.shape}")
            expect(bool(np.isfinite(scores).all()), "a plain sentence has a score that is not finite")
            expect(len(set(scores.tolist())) > 1, "all texts have the same score")
            self._expect_close(backend.score(pairs[::-1], 0), scores[::-1], "in reverse order")

    def test_neighbours_do_not_matter(self) -> None:
        """A pair scores the same alone, in a batch, and beside a much longer one."""
        with self._open() as backend:
            pairs = _pairs(backend, TEXTS)
            together = backend.score(pairs, 0)
            alone = np.concatenate([backend.score([pair], 0) for pair in pairs])
            self._expect_close(alone, together, "alone")
            beside_longest = np.array([backend.score([pair, pairs[-1]], 0)[0] for pair in pairs])
            self._expect_close(beside_longest, together, "beside a longer pair")

    def test_texts_do_not_matter_to_each_other(self) -> None:
        """A text becomes the same tokens whatever is encoded with it."""
        with self._open() as backend:
            together = [pair.tokens for pair in _pairs(backend, TEXTS)]
            alone = [_pairs(backend, [text])[0].tokens for text in TEXTS]
            expect(together == alone, f"tokens are {alone} one by one and {together} in one call")

    def test_awkward_texts_are_scored(self) -> None:
        """Empty, NUL, control characters, emoji, special tokens in the text: all give a finite score."""
        with self._open() as backend:
            pairs = _pairs(backend, AWKWARD_TEXTS)
            expect(len(pairs) == len(AWKWARD_TEXTS), "a text that fits gives more than one pair")
            for text, pair in zip(AWKWARD_TEXTS, pairs, strict=True):
                score = backend.score([pair], 0)
                expect(bool(np.isfinite(score).all()), f"{text[:20]!r} has a score that is not finite")
            for query in AWKWARD_TEXTS[2:-1]:
                backend.encode_query(query)

    def test_short_documents_are_whole(self) -> None:
        """Nothing is dropped of a document that fits, and its span is all of it."""
        with self._open() as backend:
            for text, pair in zip(TEXTS, _pairs(backend, TEXTS), strict=True):
                expect(pair.dropped_tokens == 0, "tokens of a short document are dropped")
                span = (pair.start_char, pair.end_char)
                expect(span == (0, len(text)), f"the span is {span} for {len(text)} code points")
                expect(0 < pair.tokens <= backend.description.max_tokens, "a pair is longer than max_tokens")

    def test_long_documents_are_truncated(self) -> None:
        """Either end is kept, within the model's limit, and what is dropped is counted."""
        with self._open() as backend:
            text = _long_text(backend)
            for mode in (LongDocument.TRUNCATE_END, LongDocument.TRUNCATE_START):
                (pair,) = _pairs(backend, [text], EncodeOptions(long_document=mode))
                expect(pair.tokens <= backend.description.max_tokens, f"{mode}: the pair is too long")
                expect(pair.dropped_tokens > 0, f"{mode}: dropped tokens are not counted")
                first, last = pair.start_char == 0, pair.end_char == len(text)
                kept_start = mode is LongDocument.TRUNCATE_END
                expect((first, last) == (kept_start, not kept_start), f"{mode}: the wrong end is kept")

    def test_windows_cover_a_long_document(self) -> None:
        """With BEST_PASSAGE every code point is in a window, neighbours overlap, nothing is dropped."""
        with self._open() as backend:
            text = _long_text(backend)
            windows = _pairs(backend, [text], EncodeOptions(long_document=LongDocument.BEST_PASSAGE))
            expect(len(windows) > 1, "a long document has one window")
            expect(windows[0].start_char == 0, "the first window does not start with the text")
            expect(windows[-1].end_char == len(text), "the last window does not end with the text")
            for window in windows:
                expect(window.tokens <= backend.description.max_tokens, "a window is too long")
                expect(window.dropped_tokens == 0, "a window counts tokens that another one has as dropped")
            for window, following in itertools.pairwise(windows):
                expect(window.start_char < following.start_char, "windows do not go forward")
                expect(following.start_char < window.end_char, "neighbouring windows do not overlap")

    def test_long_documents_can_be_refused(self) -> None:
        """With REJECT the error names the document; the ones that fit are no matter."""
        with self._open() as backend:
            options = EncodeOptions(long_document=LongDocument.REJECT)
            expect(len(_pairs(backend, TEXTS, options)) == len(TEXTS), "documents that fit are refused")
            try:
                _pairs(backend, ["short", _long_text(backend)], options)
            except DocumentTooLongError as error:
                expect(error.field == "documents[1]", f"the field is {error.field!r}, not documents[1]")
                return
            raise AssertionError("REJECT accepts a document that does not fit")

    def test_documents_can_be_limited_further(self) -> None:
        """`max_tokens_per_document` cuts below the model's limit; what is cut is counted."""
        with self._open() as backend:
            (whole,) = _pairs(backend, [TEXTS[4]])
            (cut,) = _pairs(backend, [TEXTS[4]], EncodeOptions(max_tokens_per_document=4))
            expect(cut.dropped_tokens > 0, "nothing is dropped")
            expect(cut.tokens + cut.dropped_tokens == whole.tokens, "kept and dropped do not add up")
            expect(bool(np.isfinite(backend.score([cut], 0)).all()), "a cut document has no finite score")

    def test_long_queries_are_refused(self) -> None:
        """A query that leaves no room for a document is the caller's error, not a crash."""
        with self._open() as backend:
            try:
                backend.encode_query(_long_text(backend))
            except InvalidRequestError as error:
                expect(error.field == "query", f"the field is {error.field!r}, not query")
                return
            raise AssertionError("a query longer than the model reads is accepted")

    def test_threads_may_encode_at_once(self) -> None:
        """Encoding from several threads gives what one thread gives."""
        with self._open() as backend:
            expected = backend.score(_pairs(backend, TEXTS), 0)
            with ThreadPoolExecutor(max_workers=4) as threads:
                encoded = list(threads.map(lambda _: _pairs(backend, TEXTS), range(16)))
            for pairs in encoded:
                self._expect_close(backend.score(pairs, 0), expected, "encoded by several threads")

    def test_lanes_agree(self) -> None:
        """Every lane gives the same scores, also when all of them run at once."""
        with self._open() as backend:
            pairs = _pairs(backend, TEXTS)
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
        expect(worst <= self.tolerance, f"scores differ by {worst:.3g} {how}; {self.tolerance:g} is allowed")


def _pairs(backend: Backend, texts: Sequence[str], options: EncodeOptions | None = None) -> list[EncodedPair]:
    query: EncodedQuery = backend.encode_query(QUERY)
    encoded = backend.encode_documents(query, list(texts), options or EncodeOptions())
    expect(len(encoded) == len(texts), f"{len(texts)} texts give {len(encoded)} lists of pairs")
    return [pair for windows in encoded for pair in windows]


def _long_text(backend: Backend) -> str:
    """A text of at least twice as many tokens as the model reads, no two parts of it alike."""
    words = ("plant", "river", "light", "green", "food", "stone", "harbour")
    count = 2 * backend.description.max_tokens
    return " ".join(f"{words[number % len(words)]} {number}" for number in range(count))
