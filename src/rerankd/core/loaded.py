"""Models that take requests, by how their scores are made."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from rerankd.backends.base import Backend, BackendDescription, NoBackend, TextBackend
from rerankd.core.gate import Gate
from rerankd.core.scheduler import QueueStatus, Scheduler
from rerankd.core.types import ModelRef


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalModel:
    """A model in this process."""

    backend: Backend
    scheduler: Scheduler
    ref: ModelRef

    @property
    def description(self) -> BackendDescription:
        """What it is."""
        return self.backend.description

    def status(self) -> QueueStatus:
        """What waits for it now."""
        return self.scheduler.status()

    @property
    def in_use(self) -> bool:
        """Whether a request uses it."""
        return self.scheduler.in_use

    async def drained(self) -> None:
        """Returns when no request uses it."""
        await self.scheduler.drained()

    async def stop(self) -> None:
        """Fails what waits, and frees the model."""
        await self.scheduler.stop()
        await asyncio.to_thread(self.backend.close)


@dataclass(frozen=True, slots=True, kw_only=True)
class DelegatedModel:
    """A model that is handed texts."""

    backend: TextBackend
    gate: Gate
    ref: ModelRef

    @property
    def description(self) -> BackendDescription:
        """What it is."""
        return self.backend.description

    def status(self) -> QueueStatus:
        """What waits for it now."""
        return self.gate.status()

    @property
    def in_use(self) -> bool:
        """Whether a request uses it."""
        return self.gate.in_use

    async def drained(self) -> None:
        """Returns when no request uses it."""
        await self.gate.drained()

    async def stop(self) -> None:
        """Fails what waits, and frees the model."""
        await self.gate.stop()
        await self.backend.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class NoModel:
    """The model that leaves every order as it is."""

    backend: NoBackend
    ref: ModelRef

    @property
    def description(self) -> BackendDescription:
        """What it is."""
        return self.backend.description

    def status(self) -> QueueStatus:
        """Nothing ever waits for it."""
        return QueueStatus(documents=0, tokens=0, oldest_wait_seconds=0.0)

    @property
    def in_use(self) -> bool:
        """No request uses it."""
        return False

    async def drained(self) -> None:
        """No request uses it."""

    async def stop(self) -> None:
        """Holds nothing."""


LoadedModel = LocalModel | DelegatedModel | NoModel
