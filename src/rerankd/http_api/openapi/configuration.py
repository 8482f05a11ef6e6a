"""What the document says of `/config/reranking`."""

from __future__ import annotations

from typing import cast

from rerankd.config.reranking import RerankingConfig
from rerankd.http_api.configuration import OTHER_NAMES, PATH, WRAPPER
from rerankd.http_api.dialects.native import NATIVE
from rerankd.http_api.json_text import MEDIA_TYPE, Json
from rerankd.http_api.openapi.document import failures, response_of
from rerankd.http_api.openapi.schemas import INTEGER, TEXT, Schema, nullable, record, reference


def configuration_paths() -> dict[str, Json]:
    """Path to path item."""
    fields = _fields()
    current = record(
        {WRAPPER: record(fields, list(fields)), "default_model": TEXT, "generation": INTEGER},
        [WRAPPER, "default_model", "generation"],
    )
    answer = response_of("What holds from now on.", {MEDIA_TYPE: current})
    other = {name: fields[ours] for name, ours in OTHER_NAMES.items()}
    changes = record(
        {name: nullable(field) for name, field in {**fields, **other}.items()},
        closed=True,
        minProperties=1,
        description="What changes; null is the default. The table may be sent as the answer has it, too.",
    )
    persist: Json = {
        "name": "persist",
        "in": "query",
        "description": "Whether the change outlives the process.",
        "schema": {"type": "string", "enum": ["0", "1", "false", "true"]},
    }
    return {
        PATH: {
            "get": {
                "operationId": "configuration",
                "summary": "How requests are reranked that do not say",
                "tags": ["configuration"],
                "responses": {"200": answer},
            },
            "patch": {
                "operationId": "change_configuration",
                "summary": "Changes it for calls that begin later; needs `authorization: Bearer TOKEN`",
                "tags": ["configuration"],
                "parameters": [persist],
                "requestBody": {"required": True, "content": {MEDIA_TYPE: {"schema": changes}}},
                "responses": {"200": answer, **failures((NATIVE,), reference("NativeError"))},
            },
        }
    }


def _fields() -> dict[str, Schema]:
    """Field to its schema, without what only pydantic reads."""
    told = cast("dict[str, Schema]", RerankingConfig.model_json_schema()["properties"])
    return {
        name: {key: value for key, value in schema.items() if key not in ("title", "default")}
        for name, schema in told.items()
    }
