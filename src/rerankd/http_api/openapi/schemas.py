"""Words for JSON schemas, so that those of the routes are short."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rerankd.http_api.json_text import Json

Schema = dict[str, Json]

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
INTEGER: Schema = {"type": "integer"}
ANYTHING: Schema = {"type": "object", "additionalProperties": True}


def described(schema: Schema, description: str) -> Schema:
    """The schema with words for a reader."""
    return {**schema, "description": description}


def nullable(schema: Schema) -> Schema:
    """The same, or null."""
    kinds, values = schema.get("type"), schema.get("enum")
    if kinds is None:
        return {"anyOf": [schema, {"type": "null"}]}
    told = {**schema, "type": [*(kinds if isinstance(kinds, list) else [kinds]), "null"]}
    if isinstance(values, list):
        told["enum"] = [*values, None]
    return told


def list_of(items: Schema, *, most: int | None = None, least: int = 0) -> Schema:
    """A list."""
    bounds: Schema = {} if most is None else {"maxItems": most}
    if least:
        bounds["minItems"] = least
    return {"type": "array", "items": items, **bounds}


def one_of_names(*names: str) -> Schema:
    """One of some strings."""
    return {"type": "string", "enum": list(names)}


def record(
    fields: Mapping[str, Schema], required: Sequence[str] = (), *, closed: bool = False, **more: Json
) -> Schema:
    """An object."""
    schema: Schema = {"type": "object", "properties": dict(fields), **more}
    if required:
        schema["required"] = list(required)
    if closed:
        schema["additionalProperties"] = False
    return schema


def reference(name: str) -> Schema:
    """A schema of the document by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def whole_number(description: str) -> Schema:
    """0 or more, or null."""
    return {"type": ["integer", "null"], "minimum": 0, "description": description}


def switch(description: str) -> Schema:
    """A boolean, or null for the default."""
    return {"type": ["boolean", "null"], "description": description}
