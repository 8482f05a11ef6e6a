"""What each dialect answers, and how each fails, as JSON schemas."""

from __future__ import annotations

from rerankd.http_api.openapi.schemas import (
    ANYTHING,
    INTEGER,
    NUMBER,
    TEXT,
    Schema,
    described,
    list_of,
    nullable,
    one_of_names,
    record,
    reference,
)

_INDEX = described(INTEGER, "Position of the document in the request.")
_WARNINGS = described(list_of(TEXT), "What the caller may not have expected.")


def answer_schemas() -> dict[str, Schema]:
    """The schemas by name."""
    return {**_rankings(), **_errors(), **_pages()}


def _rankings() -> dict[str, Schema]:
    scored: dict[str, Schema] = {"index": _INDEX, "relevance_score": NUMBER}
    units = described(INTEGER, "As a provider counts them; 0 for local models.")
    meta = record(
        {
            "api_version": record({"version": TEXT, "is_experimental": {"type": "boolean"}}),
            "billed_units": record({"search_units": units}),
            "tokens": record({"input_tokens": INTEGER}),
            "warnings": _WARNINGS,
        },
        ["api_version", "billed_units", "tokens"],
    )
    usage = record({"total_tokens": INTEGER, "prompt_tokens": INTEGER}, ["total_tokens"])
    needed = ["index", "relevance_score"]
    document = {**scored, "document": described(ANYTHING, "As sent; a string is told as `{text}`.")}
    as_text = {**scored, "document": TEXT}
    kreuzberg: dict[str, Schema] = {"index": _INDEX, "score": NUMBER, "document": TEXT}
    tei: dict[str, Schema] = {"index": _INDEX, "score": NUMBER, "text": TEXT}
    return {
        "CohereRanking": record(
            {"id": TEXT, "results": list_of(record(scored, needed)), "meta": meta}, ["id", "results", "meta"]
        ),
        "JinaRanking": record(
            {
                "id": TEXT,
                "object": one_of_names("list"),
                "model": TEXT,
                "results": list_of(record(document, needed)),
                "usage": usage,
                "meta": meta,
            },
            ["id", "object", "model", "results", "usage", "meta"],
        ),
        "TeiRanking": list_of(record(tei, ["index", "score"])),
        "KreuzbergRanking": record(
            {"results": list_of(record(kreuzberg, ["index", "score"])), "warnings": _WARNINGS}, ["results"]
        ),
        "VoyageRanking": record(
            {
                "object": one_of_names("list"),
                "data": list_of(record(as_text, needed)),
                "model": TEXT,
                "usage": usage,
                "warnings": _WARNINGS,
            },
            ["object", "data", "model", "usage"],
        ),
    }


def _errors() -> dict[str, Schema]:
    detail = described(TEXT, "What happened, the limit, what to do.")
    tei = one_of_names("Unhealthy", "Backend", "Overloaded", "Validation", "Tokenizer", "Empty")
    details = described(list_of(ANYTHING), "ErrorInfo, BadRequest, RetryInfo.")
    return {
        "CohereError": record({"id": TEXT, "message": detail}, ["id", "message"]),
        "JinaError": record({"id": TEXT, "message": detail, "detail": detail}, ["id", "message", "detail"]),
        "TeiError": record({"error": detail, "error_type": tei}, ["error", "error_type"]),
        "VoyageError": record({"detail": detail}, ["detail"]),
        "NativeError": record(
            {
                "error": record(
                    {
                        "code": described(INTEGER, "The HTTP status."),
                        "status": described(TEXT, "The gRPC code."),
                        "reason": described(TEXT, "Of error_reason.proto, without the prefix."),
                        "message": detail,
                        "details": details,
                    },
                    ["code", "status", "reason", "message"],
                )
            },
            ["error"],
            description="AIP-193.",
        ),
    }


def _pages() -> dict[str, Schema]:
    model: dict[str, Schema] = {
        "id": TEXT,
        "object": one_of_names("model"),
        "created": INTEGER,
        "owned_by": TEXT,
        "root": described(TEXT, "The id, where this is an alias."),
        "state": described(TEXT, "Stage of its life; active answers at once."),
    }
    info: dict[str, Schema] = {
        "model_id": TEXT,
        "model_sha": nullable(TEXT),
        "model_dtype": TEXT,
        "served_model_name": TEXT,
        "model_type": ANYTHING,
        "max_concurrent_requests": INTEGER,
        "max_input_length": described(INTEGER, "Tokens of a pair; 0 until the default model is loaded."),
        "max_batch_tokens": INTEGER,
        "max_batch_requests": nullable(INTEGER),
        "max_client_batch_size": INTEGER,
        "auto_truncate": {"type": "boolean"},
        "tokenization_workers": INTEGER,
        "version": TEXT,
        "sha": nullable(TEXT),
        "docker_label": nullable(TEXT),
    }
    health: dict[str, Schema] = {
        "state": one_of_names("starting", "ready", "draining", "live"),
        "models": {"type": "object", "additionalProperties": TEXT},
        "version": TEXT,
        "error": TEXT,
        "error_type": TEXT,
    }
    return {
        "Models": record(
            {"object": one_of_names("list"), "data": list_of(record(model, list(model)))}, ["object", "data"]
        ),
        "Info": record(info, list(info)),
        "Health": record(health, ["state"]),
    }


def rankings_of_rerank() -> Schema:
    """What `/rerank` answers, by the dialect of the body."""
    names = ("TeiRanking", "JinaRanking", "KreuzbergRanking")
    return {"anyOf": [reference(name) for name in names]}


def errors_of_rerank() -> Schema:
    """How `/rerank` fails; before the dialect is known, in both ways at once."""
    return {"anyOf": [reference("TeiError"), reference("JinaError")]}
