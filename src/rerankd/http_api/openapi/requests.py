"""What each dialect takes, as JSON schemas."""

from __future__ import annotations

from rerankd.core.limits import Limits
from rerankd.http_api.bodies import MAX_DEPTH
from rerankd.http_api.json_text import Json
from rerankd.http_api.openapi.schemas import (
    NUMBER,
    TEXT,
    Schema,
    described,
    list_of,
    nullable,
    one_of_names,
    record,
    switch,
    whole_number,
)

_TOP = "How many results come back; 0 or null is all."
_ALIAS_HINT = "A model by id, preset or alias; empty or null is the default one. See /v1/models."


def request_schemas(limits: Limits) -> dict[str, Schema]:
    """The schemas by name."""
    return {
        "CohereRequest": _cohere(limits),
        "JinaRequest": _jina(limits),
        "TeiRequest": _tei(limits),
        "KreuzbergRequest": _kreuzberg(limits),
        "VoyageRequest": _voyage(limits),
    }


def query(limits: Limits) -> Schema:
    """The text to rank by."""
    return {
        "type": "string",
        "minLength": 1,
        "maxLength": limits.max_query_bytes,
        "description": f"The text to rank by, at most {limits.max_query_bytes} bytes of UTF-8.",
    }


def document_text(limits: Limits) -> Schema:
    """The text of one document."""
    most = limits.max_document_bytes
    return {
        "type": "string",
        "maxLength": most,
        "description": f"What is ranked, at most {most} bytes of UTF-8.",
    }


def _texts(limits: Limits) -> Schema:
    return list_of(document_text(limits), most=limits.max_documents, least=1)


def _model() -> Schema:
    return described(nullable(TEXT), _ALIAS_HINT)


def _spans() -> Schema:
    mode: Schema = {"type": ["string", "null"], "enum": ["disabled", None]}
    return described(nullable(record({"mode": mode})), "Only `disabled`: no model here tells spans.")


def _cohere(limits: Limits) -> Schema:
    fields = {
        "model": _model(),
        "query": query(limits),
        "documents": _texts(limits),
        "top_n": whole_number(_TOP),
        "max_tokens_per_doc": whole_number("Tokens of a document that are read; 0 or null: the model's."),
        "relevant_spans": _spans(),
        "priority": described(nullable(NUMBER), "Above 0: it may wait for what others ask for."),
    }
    return record(fields, ["query", "documents"], description="Other fields are named in meta.warnings.")


def _jina(limits: Limits) -> Schema:
    text = document_text(limits)
    structured = described(
        record({"text": text}, ["text"]),
        f"Other keys come back with it; nested at most {MAX_DEPTH} levels. With rank_fields those count, "
        "and text may be missing.",
    )
    found = query(limits)
    fields: dict[str, Schema] = {
        "model": _model(),
        "query": {"anyOf": [found, record({"text": found}, ["text"])]},
        "documents": list_of({"anyOf": [text, structured]}, most=limits.max_documents, least=1),
        "top_n": whole_number(_TOP),
        "return_documents": switch("Whether results bring their document; null is true."),
        "rank_fields": described(
            nullable(list_of({"type": "string", "minLength": 1}, most=limits.max_document_fields)),
            "The fields of documents that are objects which are ranked, joined in this order; "
            "`text` without it.",
        ),
        "max_tokens_per_doc": whole_number("Tokens of a document that are read; 0 or null: the model's."),
        "raw_scores": switch("Whether scores are the model's logits; null is false."),
        "use_activation": switch("false is the same as raw_scores true; null is true."),
        "relevant_spans": _spans(),
    }
    return record(fields, ["query", "documents"], description="Other fields are named in meta.warnings.")


def _tei(limits: Limits) -> Schema:
    fields: dict[str, Schema] = {
        "query": query(limits),
        "texts": _texts(limits),
        "truncate": switch("false: a text that is too long fails the request. null is true."),
        "truncation_direction": {
            "type": ["string", "null"],
            "enum": ["Left", "left", "Right", "right", None],
            "description": "Which end of a text is cut; null is Right.",
        },
        "raw_scores": switch("Whether scores are the model's logits; null is false."),
        "return_text": switch("Whether results bring their text; null is false."),
        "top_n": whole_number(_TOP),
    }
    return record(fields, ["query", "texts"], description="Other fields mean nothing.")


def _kreuzberg(limits: Limits) -> Schema:
    named = {"type": one_of_names("preset", "plugin"), "name": TEXT}
    custom = {"type": one_of_names("custom"), "model_id": TEXT, "max_length": whole_number("Tokens.")}
    provider = {"type": one_of_names("llm"), "llm": record({"model": TEXT}, ["model"], closed=True)}
    kinds: list[Json] = [
        TEXT,
        record(named, ["type", "name"]),
        record(custom, ["type", "model_id"]),
        record(provider, ["type", "llm"]),
        {"type": "null"},
    ]
    config = record({"model": {"anyOf": kinds}, "top_k": whole_number(_TOP)})
    return record(
        {"query": query(limits), "documents": _texts(limits), "config": config},
        ["query", "documents", "config"],
        description="Keys are the operator's: a request that brings one is refused.",
    )


def _voyage(limits: Limits) -> Schema:
    fields = {
        "model": _model(),
        "query": query(limits),
        "documents": _texts(limits),
        "top_k": whole_number(_TOP),
        "return_documents": switch("Whether results bring their document; null is false."),
        "truncation": switch("false: a document that is too long fails the request. null is true."),
    }
    return record(fields, ["query", "documents"], description="Other fields are named in warnings.")
