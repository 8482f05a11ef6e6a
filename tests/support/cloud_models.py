"""Models of providers as a registry loads them, on servers of `support.providers`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from rerankd.backends.base import TextCall
from rerankd.backends.cloud import CloudModels, CloudSettings, ProviderSettings
from rerankd.backends.cloud.backend import CloudBackend
from rerankd.core.types import WarmupStage
from support.providers import KEY, MODELS, FakeProvider, Gate, score_of

TEXTS = [f"text {number} of a document, 文書, документ" for number in range(7)]
NOW = {"Retry-After": "0"}
"""A refusal that may be repeated at once."""


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def call_of(texts: list[str] = TEXTS, **options: object) -> TextCall:
    return TextCall(**{"query": "what is it", "texts": texts, "timeout_seconds": 30.0, **options})


def expected(texts: list[str] = TEXTS) -> list[float]:
    return pytest.approx([score_of("what is it", text) for text in texts], abs=1e-15)


def settings_for(server: FakeProvider, account: dict[str, object], **settings: object) -> CloudSettings:
    own = ProviderSettings(**{"api_key": KEY, "base_url": server.base_url, **account})
    return CloudSettings(**{"patience_seconds": 0.0, **settings, server.name: own})


@asynccontextmanager
async def opened(
    server: FakeProvider,
    *,
    model: str = "",
    clock: Clock | None = None,
    account: dict[str, object] | None = None,
    **settings: object,
) -> AsyncIterator[CloudBackend]:
    """A model of the server, loaded as a registry does it."""
    timer = {} if clock is None else {"clock": clock}
    models = CloudModels(settings_for(server, account or {}, **settings), environ={}, **timer)
    model_id = models.find(f"{server.name}/{model or MODELS[server.name][0]}")
    assert model_id is not None
    stages: list[WarmupStage] = []
    backend = await asyncio.to_thread(models.load, model_id, lambda *event: stages.append(event[0]))
    await backend.start(lambda *event: stages.append(event[0]))
    assert stages
    try:
        yield backend
    finally:
        await backend.close()


async def reached(gate: Gate) -> None:
    assert await asyncio.to_thread(gate.reached.wait, 30)
