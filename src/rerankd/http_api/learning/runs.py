"""Training runs."""

from __future__ import annotations

from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rerankd.core.errors import NotComparableError
from rerankd.core.shadowing import ShadowReport
from rerankd.http_api.json_text import Json
from rerankd.http_api.learning import events
from rerankd.http_api.learning.answers import plain, run_json
from rerankd.http_api.learning.arguments import Arguments
from rerankd.http_api.learning.calls import Desk, raw_route, route
from rerankd.messages.learning.reports import promoted_from, shadow_from
from rerankd.messages.learning.runs import compared, run_from
from rerankd.training.types import RunInfo

_RUN = "/reranker/train/run/{run_id}"


def routes(desk: Desk) -> list[Route]:
    """The routes of this module; `stream` stands before the ids, which it could be taken for."""
    calls = _Runs(desk)

    async def metrics(request: Request) -> Response:
        return await events.metrics(desk, request)

    async def stream(request: Request) -> Response:
        return await events.stream(desk, request)

    write = partial(route, method="POST")
    return [
        write("/reranker/train", calls.train),
        write("/reranker/train/start", calls.train),
        write("/reranker/stop", calls.stop),
        route("/reranker/train/runs", calls.runs),
        route("/reranker/train/diff", calls.diff, method="POST"),
        raw_route("/reranker/train/run/stream", stream),
        route(_RUN, calls.run),
        raw_route(f"{_RUN}/metrics", metrics),
        write(f"{_RUN}/cancel", calls.cancel),
        write(f"{_RUN}/resume", calls.resume),
        write(f"{_RUN}/promote", calls.promote),
        write(f"{_RUN}/shadow", calls.start_shadow),
        route("/reranker/shadow", calls.shadow),
        route("/reranker/costs", calls.costs),
    ]


class _Runs:
    def __init__(self, desk: Desk) -> None:
        self._learning = desk.learning

    async def train(self, arguments: Arguments) -> Json:
        """Starts a run."""
        corpus_id = arguments.text("corpus_id")
        config = arguments.settings(self._learning.config.run)
        return {"ok": True, **_told(await self._learning.train(corpus_id, config))}

    async def run(self, arguments: Arguments) -> Json:
        """A run."""
        run_id = _run_id(arguments)
        return _told(await self._learning.run(run_id))

    async def runs(self, arguments: Arguments) -> Json:
        """Runs of a corpus or all, the newest first."""
        corpus_id, limit = arguments.text("corpus_id", ""), arguments.count("limit", 50, 10_000)
        arguments.finish()
        runs = await self._learning.runs(corpus_id)
        return {"runs": [_told(info) for info in runs[:limit]], "count": len(runs)}

    async def diff(self, arguments: Arguments) -> Json:
        """Two runs compared; that they cannot be is an answer here, as tribrid has it."""
        baseline, current = arguments.text("baseline_run_id"), arguments.text("current_run_id")
        arguments.finish()
        told: dict[str, Json] = {"baseline_run_id": baseline, "current_run_id": current}
        try:
            comparison = await self._learning.compare(baseline, current)
        except NotComparableError as error:
            return {**told, "compatible": False, "reason": error.message}
        return {**told, "compatible": True, **plain(compared(comparison))}

    async def cancel(self, arguments: Arguments) -> Json:
        """Ends a run with a checkpoint."""
        run_id = _run_id(arguments)
        return {"ok": True, **_told(await self._learning.cancel(run_id))}

    async def stop(self, arguments: Arguments) -> Json:
        """Ends the runs of a corpus that are under way."""
        corpus_id = arguments.text("corpus_id")
        arguments.finish()
        active = [info for info in await self._learning.active_runs() if info.corpus_id == corpus_id]
        return {"ok": True, "runs": [_told(await self._learning.cancel(info.id)) for info in active]}

    async def resume(self, arguments: Arguments) -> Json:
        """Goes on with a run."""
        run_id = _run_id(arguments)
        return {"ok": True, **_told(await self._learning.resume(run_id))}

    async def promote(self, arguments: Arguments) -> Json:
        """Lets the model of a run serve."""
        run_id, force = arguments.text("run_id"), arguments.text("force_reason", "")
        arguments.finish()
        promoted = await self._learning.promote(run_id, force=force)
        return {"ok": True, "run_id": run_id, **plain(promoted_from(promoted))}

    async def start_shadow(self, arguments: Arguments) -> Json:
        """Lets its model score live requests as well."""
        run_id = arguments.text("run_id")
        report = await self._learning.start_shadow(
            run_id, arguments.settings(self._learning.config.promotion)
        )
        return _shadow(report)

    async def shadow(self, arguments: Arguments) -> Json:
        """What the last shadow of a corpus has seen."""
        corpus_id = arguments.text("corpus_id")
        arguments.finish()
        return _shadow(self._learning.shadow(corpus_id))

    async def costs(self, arguments: Arguments) -> Json:
        """What learning has cost: time of this machine, as nothing is paid for."""
        corpus_id = arguments.text("corpus_id", "")
        arguments.finish()
        runs = await self._learning.runs(corpus_id)
        seconds = {info.id: _seconds(info) for info in runs}
        rows: list[Json] = [{"run_id": run_id, "seconds": spent} for run_id, spent in seconds.items()]
        return {"runs": rows, "total_seconds": round(sum(seconds.values()), 3), "total_cost": 0.0}


def _run_id(arguments: Arguments) -> str:
    run_id = arguments.text("run_id")
    arguments.finish()
    return run_id


def _shadow(report: ShadowReport | None) -> Json:
    message = shadow_from(report)
    return {"shadow": None if message is None else plain(message)}


def _told(info: RunInfo) -> dict[str, Json]:
    return run_json(run_from(info))


def _seconds(info: RunInfo) -> float:
    if info.started is None or info.ended is None:
        return 0.0
    return round(info.ended - info.started, 3)
