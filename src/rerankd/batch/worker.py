"""What runs in each actor of Ray Data: an engine of its own, and parts through it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rerankd.assembly import StartupError, build_engine
from rerankd.batch.checkpoint import Checkpoint, Part, PartDone
from rerankd.batch.files import Folder
from rerankd.batch.formats import Format, Piece
from rerankd.batch.job import BatchError, Job
from rerankd.batch.queries import shape_of
from rerankd.batch.ranking import Ranked, rank_rows
from rerankd.core.engine import Engine
from rerankd.core.errors import RerankdError


class Reranker:
    """Reranks parts. Its model is loaded for the first one: Ray makes an actor that fails again and again.

    A part's results appear whole or not at all, and the same part may be done again: whoever dies in
    the middle leaves nothing to clean up.
    """

    def __init__(self, job: Job, source: Format, output: Format, schema: Any, model: str) -> None:
        """`schema` is that of the results, where they have one; `model` the one of earlier results."""
        self._job = job
        self._source = source
        self._output = output
        self._schema = schema
        self._model = model
        self._shape = shape_of(job.shape, job.columns, return_documents=job.return_documents)
        self._checkpoint = Checkpoint(job.output)
        self._folder = Folder(job.output)
        # The engine lives on one loop, which runs while a part is done.
        self._runner = asyncio.Runner()
        self._engine: Engine | None = None

    def __call__(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Reranks one part, and says what was done.

        Raises:
            BatchError: The model cannot be loaded, failed, or is another one than before.
        """
        part = Part(number=row["number"], pieces=tuple(Piece(**piece) for piece in row["pieces"]))
        if self._engine is None:
            self._engine = self._runner.run(_started(self._job))
        ranked = self._runner.run(self._rank(self._engine, part))
        self._see_that_it_is_one_model(ranked)
        self._folder.write(
            f"{part.name}{self._output.suffix}", self._output.encode(ranked.rows, self._schema)
        )
        done = PartDone(
            number=part.number,
            queries=ranked.queries,
            documents=ranked.documents,
            errors=ranked.errors,
            models=tuple(ranked.models),
        )
        self._checkpoint.finish(part, done)
        return {**asdict(done), "models": ",".join(done.models)}

    async def _rank(self, engine: Engine, part: Part) -> Ranked:
        rows = [row for piece in part.pieces for row in self._source.rows(piece)]
        try:
            return await rank_rows(engine, rows, self._shape, self._job.options, self._job.concurrent_queries)
        except* RerankdError as errors:
            first = _first(errors)
            raise BatchError(f"{first.spec.reason}: {first.message}") from None

    def _see_that_it_is_one_model(self, ranked: Ranked) -> None:
        known = {self._model} - {""} | ranked.models
        if len(known) > 1:
            raise BatchError(f"scores of several models are not mixed: {', '.join(sorted(known))}")
        self._model = next(iter(known), "")


async def _started(job: Job) -> Engine:
    try:
        engine = build_engine(job.config)
        async for _ in engine.registry.follow(engine.registry.canonical("")):
            # The stages are of interest to somebody who waits for a server.
            pass
    except (StartupError, RerankdError) as error:
        raise BatchError(f"model {job.config.model}: {error}") from None
    return engine


def _first(errors: BaseExceptionGroup[RerankdError]) -> RerankdError:
    first: BaseException = errors
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    assert isinstance(first, RerankdError)  # noqa: S101 - the group was split by this type
    return first
