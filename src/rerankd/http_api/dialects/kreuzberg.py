"""`POST /rerank` with `config`: the model by its kind, as kreuzberg names it."""

from __future__ import annotations

from typing import cast

from rerankd.core.engine import Request
from rerankd.core.errors import InvalidRequestError
from rerankd.core.limits import Limits
from rerankd.core.types import Options, Result
from rerankd.http_api.dialects.dialect import Answered, Asked, Dialect
from rerankd.http_api.dialects.jina import STATUSES, error_body
from rerankd.http_api.fields import Fields, document_as_sent
from rerankd.http_api.json_text import Json, JsonObject, shortest

_KNOWN = {"query", "documents", "config"}
_KNOWN_OF_CONFIG = {"model", "top_k"}
_KINDS = "preset, custom, llm or plugin"


def parse(body: JsonObject, limits: Limits) -> Asked:
    """What a body with `config` asks for."""
    fields = Fields(body)
    config = fields.inner("config") or Fields({}, "config")
    model, most_tokens = _model(config)
    options = Options(
        model=model,
        top_n=config.count("top_k"),
        max_tokens_per_document=most_tokens,
        return_documents=True,
    )
    request = Request(
        query=fields.text("query"), documents=fields.texts("documents", limits), options=options
    )
    warnings = fields.without_effect(_KNOWN) + config.without_effect(_KNOWN_OF_CONFIG)
    return Asked(request=request, warnings=warnings)


def _model(config: Fields) -> tuple[str, int]:
    """The name of the model, and how many tokens of a document it is to read."""
    if isinstance(config.value("model"), str):
        return config.text("model"), 0
    model = config.inner("model")
    if model is None:
        return "", 0
    match model.text("type"):
        case "preset" | "plugin":
            return model.text("name"), 0
        case "custom":
            return model.text("model_id"), model.count("max_length")
        case "llm":
            return _provider_model(model), 0
        case _:
            raise model.wrong("type", _KINDS)


def _provider_model(model: Fields) -> str:
    llm = model.inner("llm") or model
    if "api_key" in llm:
        raise InvalidRequestError(
            f"{llm.path('api_key')} is not taken from a request; the operator configures keys",
            field=llm.path("api_key"),
        )
    return llm.text("model")


def render(answered: Answered) -> Json:
    """A ranking as kreuzberg answers it."""
    told: dict[str, Json] = {"results": [_result(result) for result in answered.ranking.results]}
    if warnings := answered.warnings():
        told["warnings"] = warnings
    return told


def _result(result: Result) -> Json:
    told: dict[str, Json] = {"index": result.index, "score": shortest(result.score)}
    if result.document is not None:
        told["document"] = cast("Json", document_as_sent(result.document, bare=True))
    return told


KREUZBERG = Dialect(name="kreuzberg", parse=parse, render=render, error_body=error_body, statuses=STATUSES)
