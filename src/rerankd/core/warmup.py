"""Warming a model up: the startup hook and the Warmup RPC run the same stages."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rerankd.core.engine import Engine, Request
from rerankd.core.errors import DeadlineExceededError, InvalidRequestError
from rerankd.core.registry import StageEvent
from rerankd.core.types import Caller, Document, Options, Priority, WarmupStage

logger = logging.getLogger(__name__)

Probe = Callable[[str], Awaitable[None]]
"""Calls the model once through the server's own port, so that the first user meets a warm path."""

Exercise = Callable[[], Awaitable[None]]

_CALLER = Caller(client="warmup")


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmupRequest:
    """What to warm."""

    model: str = ""
    samples: Sequence[Request] = ()
    timeout_seconds: float = 300.0


class Warmup:
    """Takes models from a name to a warm path."""

    def __init__(self, engine: Engine, probe: Probe | None = None) -> None:
        self._engine = engine
        self._probe = probe

    async def run(self, request: WarmupRequest) -> AsyncGenerator[StageEvent, None]:
        """Loads and exercises a model; yields each step, DONE last. Leaving does not stop the load.

        Raises:
            ModelNotFoundError, ModelFailedError: From the load.
            DeadlineExceededError: The timeout passed; a load under way goes on in the background.
        """
        model_id = self._engine.registry.canonical(request.model)
        deadline = asyncio.get_running_loop().time() + request.timeout_seconds
        async with aclosing(self._steps(model_id, request)) as steps:
            while True:
                # Around each step and not around the whole: what the consumer does between two
                # steps must not be interrupted.
                try:
                    async with asyncio.timeout_at(deadline):
                        event = await anext(steps, None)
                except TimeoutError as error:
                    raise DeadlineExceededError(
                        f"not warm after {request.timeout_seconds:g} s; the load goes on, ask Status",
                        metadata={"model": model_id},
                    ) from error
                if event is None:
                    return
                yield event

    async def _steps(self, model_id: str, request: WarmupRequest) -> AsyncGenerator[StageEvent, None]:
        started = time.monotonic()
        async with aclosing(self._engine.registry.follow(model_id)) as load:
            async for event in load:
                yield event
        for stage, work in self._exercises(model_id, request.samples):
            yield _event(model_id, stage, 0.0, started)
            before = time.monotonic()
            await work()
            self._engine.registry.record_stage(model_id, stage, time.monotonic() - before)
            yield _event(model_id, stage, 1.0, started)
        yield _event(model_id, WarmupStage.DONE, 1.0, started)

    def _exercises(self, model_id: str, samples: Sequence[Request]) -> list[tuple[WarmupStage, Exercise]]:
        work: list[tuple[WarmupStage, Exercise]] = []
        description = self._engine.registry.report(model_id).description
        if description is not None and description.is_cloud:
            # Nothing here gets warm by it, and the provider would bill it.
            return work
        if samples:
            work.append((WarmupStage.SAMPLES, partial(self._run_samples, model_id, samples)))
        if self._probe is not None:
            work.append((WarmupStage.PROBE, partial(self._probe, model_id)))
        return work

    async def _run_samples(self, model_id: str, samples: Sequence[Request]) -> None:
        options = Options(model=model_id, priority=Priority.BULK)
        for sample in samples:
            request = Request(
                query=sample.query, documents=sample.documents, options=options, use_cache=False
            )
            await self._engine.rerank(request, _CALLER)


def read_samples(path: Path) -> list[Request]:
    """The operator's sample requests: JSONL, each line `{"query": "…", "documents": ["…", …]}`.

    Raises:
        InvalidRequestError: A line is not of that form; the message names it.
    """
    samples = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
            query, texts = fields["query"], fields["documents"]
            if not isinstance(query, str) or not all(isinstance(text, str) for text in texts):
                raise TypeError("query and documents must be strings")
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidRequestError(
                f'{path.name} line {number}: expected {{"query": "…", "documents": ["…"]}} ({error})'
            ) from error
        samples.append(Request(query=query, documents=[Document(text=text) for text in texts]))
    return samples


def _event(model_id: str, stage: WarmupStage, progress: float, started: float) -> StageEvent:
    return StageEvent(
        model_id=model_id,
        stage=stage,
        progress=progress,
        detail="",
        elapsed_seconds=time.monotonic() - started,
    )
