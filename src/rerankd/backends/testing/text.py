"""The checks of what is handed texts."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from rerankd.backends.base import TextBackend, TextCall, TextScores
from rerankd.backends.testing.expectations import AWKWARD_TEXTS, QUERY, TEXTS, expect
from rerankd.core.types import LongDocument

_TIMEOUT_SECONDS = 60.0
_MOST_CALLS = 32
"""So many calls at once show whether calls get in each other's way."""


class TextBackendAcceptance:
    """The port `TextBackend` as checks; derive and say how a backend is made."""

    tolerance: float = 1e-5
    """How far a score may move with the other texts of its call, absolute plus relative. Only a backend
    that states a coarser arithmetic may raise it."""

    def make_backend(self) -> TextBackend:
        """A backend that was not started, made on the event loop that it lives on.

        Called once for each check, which starts it and closes it.
        """
        raise NotImplementedError("derive from TextBackendAcceptance and give a backend")

    def test_description_is_sane(self) -> None:
        """The port is there, and the core and Status can use what the backend says of itself."""

        async def check(backend: TextBackend) -> None:
            expect(isinstance(backend, TextBackend), "a member of the port is missing")
            description, traits = backend.description, backend.traits
            for name in ("id", "backend"):
                expect(bool(getattr(description, name)), f"description.{name} is empty")
            expect(LongDocument.TRUNCATE_END in description.long_documents, "the default is refused")
            for name in ("max_concurrency", "chunk_documents"):
                expect(getattr(traits, name) >= 1, f"traits.{name} is below 1")
            expect((backend.description, backend.traits) == (description, traits), "it changes what it says")

        self._run(check)

    def test_scores_are_in_the_order_of_the_texts(self) -> None:
        """One finite number for each text, in their order: not sorted, and not all the same."""

        async def check(backend: TextBackend) -> None:
            scores = await _scores(backend, TEXTS)
            expect(len(set(scores)) > 1, "all texts have the same score")
            if backend.traits.comparable:
                self._expect_close(await _scores(backend, TEXTS[::-1]), scores[::-1], "in reverse order")

        self._run(check)

    def test_neighbours_do_not_matter(self) -> None:
        """A text scores the same alone and among others, unless `traits.comparable` is False."""

        async def check(backend: TextBackend) -> None:
            together = await _scores(backend, TEXTS)
            alone = [(await _scores(backend, [text]))[0] for text in TEXTS]
            if backend.traits.comparable:
                self._expect_close(alone, together, "alone")

        self._run(check)

    def test_many_texts_are_scored_in_one_call(self) -> None:
        """More texts than a chunk of a stream holds, as a unary request brings them."""

        async def check(backend: TextBackend) -> None:
            count = 2 * min(backend.traits.chunk_documents, 256) + 1
            await _scores(backend, [f"{TEXTS[number % len(TEXTS)]} {number}" for number in range(count)])

        self._run(check)

    def test_awkward_texts_are_scored(self) -> None:
        """Empty, NUL, control characters, emoji, special tokens in text or query: a finite score."""

        async def check(backend: TextBackend) -> None:
            await _scores(backend, AWKWARD_TEXTS)
            for query in AWKWARD_TEXTS[3:-1]:
                await _scores(backend, TEXTS[:2], query)

        self._run(check)

    def test_calls_at_once_do_not_mix(self) -> None:
        """As many calls as it says that it takes, with other texts each, get their own scores."""

        async def check(backend: TextBackend) -> None:
            calls = min(backend.traits.max_concurrency, _MOST_CALLS)
            sets = [[*TEXTS[: 1 + number % len(TEXTS)], f"number {number}"] for number in range(calls)]
            wanted = [await _scores(backend, texts) for texts in sets]
            got = await asyncio.gather(*(_scores(backend, texts) for texts in sets))
            for one, other in zip(got, wanted, strict=True):
                self._expect_close(one, other, "beside other calls")

        self._run(check)

    def test_a_cancelled_call_leaves_it_usable(self) -> None:
        """Callers go away at any moment; later calls are scored as before."""

        async def check(backend: TextBackend) -> None:
            wanted = await _scores(backend, TEXTS)
            for steps in range(8):
                call = asyncio.ensure_future(_scores(backend, TEXTS))
                for _ in range(steps):
                    await asyncio.sleep(0)
                call.cancel()
                await asyncio.wait([call])
                expect(call.cancelled() or call.exception() is None, "a cancelled call fails instead")
            self._expect_close(await _scores(backend, TEXTS), wanted, "after cancelled calls")

        self._run(check)

    def test_it_closes_unused(self) -> None:
        """A backend that was started can be closed without any call, and one that was never started too."""

        async def check() -> None:
            async with self._open():
                pass
            await self.make_backend().close()

        asyncio.run(check())

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[TextBackend]:
        backend = self.make_backend()
        try:
            await backend.start(lambda *_: None)
            yield backend
        finally:
            await backend.close()

    def _run(self, check: Callable[[TextBackend], Awaitable[None]]) -> None:
        async def run() -> None:
            async with self._open() as backend:
                await check(backend)

        asyncio.run(run())

    def _expect_close(self, got: Sequence[float], wanted: Sequence[float], how: str) -> None:
        pairs = zip(got, wanted, strict=True)
        worst = max(abs(one - other) / max(1.0, abs(other)) for one, other in pairs)
        expect(worst <= self.tolerance, f"scores differ by {worst:.3g} {how}; {self.tolerance:g} is allowed")


async def _scores(backend: TextBackend, texts: Sequence[str], query: str = QUERY) -> list[float]:
    call = TextCall(query=query, texts=texts, timeout_seconds=_TIMEOUT_SECONDS)
    answer: TextScores = await backend.score(call)
    expect(len(answer.scores) == len(texts), f"{len(texts)} texts give {len(answer.scores)} scores")
    for name in ("dropped_tokens", "passages"):
        count = len(getattr(answer, name))
        expect(count in {0, len(texts)}, f"{len(texts)} texts give {count} {name}")
    for text, score in zip(texts, answer.scores, strict=True):
        expect(math.isfinite(score), f"{text[:20]!r} has a score that is not finite")
    expect(min(answer.tokens, answer.units) >= 0 and answer.cost_usd >= 0, "usage is negative")
    return list(answer.scores)
