"""Models: what is in use, how good it is, and going back to the one before."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rerankd.access.access import identity
from rerankd.core.engine import Request as RankingRequest
from rerankd.core.errors import InvalidRequestError
from rerankd.core.types import Document, Options
from rerankd.http_api.json_text import Json, shortest
from rerankd.http_api.learning.answers import plain
from rerankd.http_api.learning.arguments import Arguments, arguments_of
from rerankd.http_api.learning.calls import Desk, raw_route, route
from rerankd.http_api.replies import json_response
from rerankd.messages.learning.reports import report_from, served_from, status_of

_MOST_MODELS = 8
_PAGE = "text/html"


def routes(desk: Desk) -> list[Route]:
    """The routes of this module."""
    calls = _Models(desk)
    return [
        route("/reranker/status", calls.status),
        route("/reranker/info", calls.info),
        raw_route("/reranker/evaluate", calls.evaluate, method="POST"),
        raw_route("/reranker/evaluate/{corpus_id}/report", calls.report),
        route("/reranker/rollback", calls.rollback, method="POST"),
        route("/reranker/score", calls.score, method="POST"),
    ]


class _Models:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._learning = desk.learning

    async def status(self, arguments: Arguments) -> Json:
        """Mode and model, and what there is to learn from."""
        with_feedback = arguments.flag("with_feedback")
        arguments.finish()
        registry = self._desk.engine.registry
        report = registry.report(registry.canonical(""))
        return {
            "enabled": True,
            "mode": self._desk.mode(),
            "model": report.id,
            "model_state": report.state.value,
            "revision": report.description.revision if report.description else "",
            **plain(await status_of(self._learning, with_feedback=with_feedback)),
        }

    async def info(self, arguments: Arguments) -> Json:
        """How the model in use is run, and with what settings learning works."""
        arguments.finish()
        registry = self._desk.engine.registry
        report = registry.report(registry.canonical(""))
        loaded = report.description
        config = self._learning.config
        return {
            "model": report.id,
            "aliases": list(report.aliases),
            "state": report.state.value,
            "revision": loaded.revision if loaded else "",
            "backend": loaded.backend if loaded else "",
            "precision": loaded.precision if loaded else "",
            "max_tokens": loaded.max_tokens if loaded else 0,
            # No path and no address: readers need no token.
            "settings": config.model_dump(mode="json", exclude={"directory", "tracking_uri"}),
        }

    async def evaluate(self, request: Request) -> Response:
        """Judges models; as a page for who accepts HTML."""
        arguments = await arguments_of(request)
        corpus_id, models = arguments.text("corpus_id"), arguments.texts("models")
        if len(models) > _MOST_MODELS:
            raise InvalidRequestError(f"at most {_MOST_MODELS} models are judged at a time", field="models")
        config = arguments.settings(self._learning.config.evaluation)
        report = await self._learning.evaluate(corpus_id, models, config)
        if _PAGE in request.headers.get("accept", ""):
            return Response(await self._learning.page(corpus_id), media_type=_PAGE)
        return json_response({"ok": True, **plain(report_from(report))})

    async def report(self, request: Request) -> Response:
        """The page of the last evaluation."""
        return Response(await self._learning.page(request.path_params["corpus_id"]), media_type=_PAGE)

    async def rollback(self, arguments: Arguments) -> Json:
        """Serves the revision before."""
        corpus_id = arguments.text("corpus_id")
        arguments.finish()
        current = await self._learning.rollback(corpus_id)
        return {"ok": True, **plain(served_from(corpus_id, current))}

    async def score(self, arguments: Arguments) -> Json:
        """One pair, by a model, by that of a corpus, or by the default one."""
        query, text = arguments.text("query"), arguments.text("document")
        model, corpus_id = arguments.text("model", ""), arguments.text("corpus_id", "")
        with_logits = arguments.flag("include_logits")
        arguments.raw("mode")  # tribrid names its mode; here a model is named
        arguments.finish()
        if corpus_id and not model and corpus_id in await self._learning.served():
            model = f"learning/{corpus_id}"
        ranking = await self._desk.engine.rerank(
            RankingRequest(query=query, documents=[Document(text=text)], options=Options(model=model)),
            # What the key may not use is refused here as on every route.
            identity.get().caller("score", None),
        )
        (result,) = ranking.results
        told: dict[str, Json] = {
            "ok": True,
            "score": shortest(result.score),
            "model": ranking.model.id,
            "revision": ranking.model.revision,
        }
        if with_logits:
            # Cross-encoders here have one logit; a pair of them is a matter of generative models.
            logit = None if result.logit is None else shortest(result.logit)
            told |= {"logit": logit, "yes_logit": logit, "no_logit": None}
        return told
