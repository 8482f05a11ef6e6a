"""The page of the HTTP routes, from the OpenAPI document that the server gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reference.markdown import escaped, table
from rerankd.core.limits import Limits
from rerankd.http_api.diagnostics import diagnostics_paths
from rerankd.http_api.json_text import Json
from rerankd.http_api.openapi.configuration import configuration_paths
from rerankd.http_api.openapi.document import document
from rerankd.http_api.openapi.learning import learning_paths
from rerankd.http_api.playground.routes import playground_paths

_INTRODUCTION = """\
A server gives its own document at `/openapi.json`, with its own limits; this page is that of a server with
everything turned on and the limits that it comes with. Scores and orders are those of gRPC: one engine
stands behind both. What each failure means is in [errors](errors.md).
"""
_TITLES = {
    "rerank": "Ranking",
    "state": "State",
    "configuration": "Configuration",
    "operations": "Operations",
    "learning": "Learning",
}
_NOTES = {"learning": "Only where `training.enabled` is set."}
_BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
    "minLength": "at least {} long",
    "maxLength": "at most {} long",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "pattern": "matches `{}`",
}
# The bounds of the wire's own types tell a reader nothing.
_WIRE_BOUNDS = {2**31 - 1, -(2**31), 2**63 - 1, 2**64 - 1, 3.4028234663852886e38, -3.4028234663852886e38}


def described() -> Json:
    """The OpenAPI document of a server with everything turned on and the limits that it comes with."""
    others = (configuration_paths(), diagnostics_paths(), learning_paths(), playground_paths())
    return document(Limits(), {path: item for paths in others for path, item in paths.items()})


def http() -> str:
    """Every route, then every body that has a name."""
    whole = described()
    lines = ["# HTTP routes", "", whole["info"]["description"], ""]
    lines += [_INTRODUCTION]
    for tag, title in _TITLES.items():
        lines += [f"## {title}", "", *([_NOTES[tag], ""] if tag in _NOTES else [])]
        here = [one for one in operations(whole) if one[2]["tags"] == [tag]]
        # A long list that is the same for all is told once.
        refusals = {_refusals(operation) for _, _, operation in here}
        same = len(here) > 1 and len(refusals) == 1
        lines += [*refusals, ""] if same else []
        for method, path, operation in here:
            lines += _route(method, path, operation)
            lines += [_refusals(operation), ""] if not same and _refusals(operation) else []
    lines += ["## Bodies", ""]
    for name, schema in whole["components"]["schemas"].items():
        lines += [f"### {_name(name)}", "", *_body(schema)]
    return "\n".join(lines)


def operations(whole: Json) -> Iterator[tuple[str, str, Json]]:
    """Method, path and operation of each route."""
    for path, item in whole["paths"].items():
        for method, operation in item.items():
            if operation["tags"][0] not in _TITLES:
                raise SystemExit(f"{path}: no title for the tag {operation['tags'][0]}")
            yield method.upper(), path, operation


def _route(method: str, path: str, operation: Json) -> list[str]:
    lines = [f"### `{method} {path}`", "", f"{escaped(operation['summary'])}.", ""]
    parameters = operation.get("parameters") or []
    if parameters:
        rows = ([f"`{one['name']}`", one["in"], _kind(one["schema"]), _told(one)] for one in parameters)
        lines += table(["parameter", "in", "type", "meaning"], rows)
    if "requestBody" in operation:
        lines += ["Takes:", "", *_contents(operation["requestBody"]["content"])]
    for status, answer in sorted(operation["responses"].items()):
        if status < "3":
            lines += [f"Gives {status}: {escaped(answer['description'])}", "", *_contents(answer["content"])]
    return lines


def _refusals(operation: Json) -> str:
    """One sentence of the statuses that are no success."""
    refusals = [
        f"{status} ({_told(answer)})"
        for status, answer in sorted(operation["responses"].items())
        if status >= "3"
    ]
    return f"Fails with {'; '.join(refusals)}." if refusals else ""


def _contents(contents: Mapping[str, Json]) -> list[str]:
    lines: list[str] = []
    for media, content in contents.items():
        schema = content["schema"]
        if schema.get("properties"):
            lines += [f"`{media}`, an object:", "", *_body(schema)]
        else:
            # What a body with a name is, its own section tells.
            told = "" if "$ref" in schema else _told(schema)
            lines += [f"`{media}`: {_kind(schema)}{told and f'. {told}'}", ""]
    return lines


def _body(schema: Json) -> list[str]:
    lines = [escaped(schema["description"]), ""] if "description" in schema else []
    if "properties" not in schema:
        kind = _kind(schema)
        return [*lines, f"{kind[:1].upper()}{kind[1:]}.", ""]
    needed = set(schema.get("required", ()))
    rows = (
        [f"`{name}`", "yes" if name in needed else "", _kind(one), _told(one)]
        for name, one in schema["properties"].items()
    )
    return [*lines, *table(["field", "required", "type", "meaning"], rows)]


def _told(one: Json) -> str:
    return escaped(str(one.get("description", ""))).rstrip(".")


def _kind(schema: Json) -> str:
    """What a value may be, in a few words."""
    if "$ref" in schema:
        name = _name(schema["$ref"].rpartition("/")[2])
        return f"[{name}](#{name.lower()})"
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return " or ".join(_kind(one) for one in schema[choice])
    words = [_plain(schema)]
    words += [
        text.format(schema[key])
        for key, text in _BOUNDS.items()
        if key in schema and schema[key] not in _WIRE_BOUNDS
    ]
    return ", ".join(words)


def _plain(schema: Json) -> str:
    types = schema.get("type", "any value")
    names = [name for name in ([types] if isinstance(types, str) else types) if name != "null"]
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"] if isinstance(value, str | bool))
    if "array" in names and "items" in schema:
        return f"array of {_kind(schema['items'])}"
    if "object" in names and schema.get("properties"):
        return f"object with {', '.join(f'`{name}`' for name in schema['properties'])}"
    if isinstance(schema.get("additionalProperties"), Mapping):
        return f"object of name to {_kind(schema['additionalProperties'])}"
    return " or ".join(names)


def _name(name: str) -> str:
    """A body's name as a heading; the document tells what is sent from what is answered by a suffix."""
    return name.replace(".input", " sent").replace(" ", "-")
