"""Models that are handed texts, with faults on request, beside the fake local one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rerankd.backends.base import (
    AnyBackend,
    BackendDescription,
    ProgressReporter,
    TextBackendTraits,
    TextCall,
    TextScores,
)
from rerankd.backends.passthrough import PassthroughModels
from rerankd.core.catalogue import Catalogue, ModelSource
from rerankd.core.errors import ModelNotFoundError
from support.fake_backend import FakeBackend


def shared_words(query: str, text: str) -> float:
    """The score that a `TextModel` gives: no probability, and negative for what shares nothing."""
    return 10.0 * len(set(query.split()) & set(text.split())) - len(text.split())


@dataclass(eq=False)
class TextModel:
    """Scores by shared words; `answer` replaces that, and `hold` keeps calls until it is set."""

    id: str = "text/fake"
    traits: TextBackendTraits = field(default_factory=TextBackendTraits)
    is_cloud: bool = False
    answer: Callable[[TextCall], TextScores] | None = None
    calls: list[TextCall] = field(default_factory=list)
    running: int = 0
    most_running: int = 0
    cancelled: int = 0
    closed: bool = False
    started: bool = False

    def __post_init__(self) -> None:
        self.hold = asyncio.Event()
        self.hold.set()
        self.entered = asyncio.Semaphore(0)
        """Released at the start of every call."""
        self.given_up = asyncio.Semaphore(0)
        """Released at every call that is cancelled."""
        self.ended = asyncio.Event()
        """Set by `close`."""

    @property
    def description(self) -> BackendDescription:
        return BackendDescription(
            id=self.id,
            revision="",
            backend="cloud" if self.is_cloud else "plugin",
            provider="fake",
            is_cloud=self.is_cloud,
            supports_max_tokens=False,
        )

    async def start(self, report: ProgressReporter) -> None:
        self.started = True

    async def score(self, call: TextCall) -> TextScores:
        self.calls.append(call)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        self.entered.release()
        try:
            await self.hold.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            self.given_up.release()
            raise
        finally:
            self.running -= 1
        if self.answer is not None:
            return self.answer(call)
        return TextScores(scores=[shared_words(call.query, text) for text in call.texts])

    async def close(self) -> None:
        self.closed = True
        self.ended.set()


@dataclass
class Models:
    """A source of models that are known by their ids; the first is the default."""

    backends: Sequence[TextModel | FakeBackend]

    def find(self, name: str) -> str | None:
        name = name or self.backends[0].id
        if name in {backend.id for backend in self.backends}:
            return name
        raise ModelNotFoundError(f"there is no model {name!r}", metadata={"model": name})

    def aliases_of(self, model_id: str) -> tuple[str, ...]:
        return ()

    def names(self) -> Sequence[str]:
        return [backend.id for backend in self.backends]

    def load(self, model_id: str, report: ProgressReporter) -> AnyBackend:
        return next(backend for backend in self.backends if backend.id == model_id)


def catalogue_of(*backends: TextModel | FakeBackend) -> Catalogue:
    """The models, and `none`."""
    sources: list[ModelSource] = [PassthroughModels(), Models(backends)]
    return Catalogue(sources)
