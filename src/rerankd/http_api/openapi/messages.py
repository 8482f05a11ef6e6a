"""JSON schemas of protobuf messages, from their descriptors."""

from __future__ import annotations

from copy import deepcopy

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from rerankd.core.limits import Limits
from rerankd.http_api.json_text import Json
from rerankd.http_api.openapi.requests import document_text, query
from rerankd.http_api.openapi.schemas import (
    ANYTHING,
    NUMBER,
    TEXT,
    Schema,
    list_of,
    nullable,
    record,
    reference,
)
from rerankd.v1 import rerank_service_pb2 as pb

_LONGS = {FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_UINT64, FieldDescriptor.TYPE_SINT64}
_REALS = {FieldDescriptor.TYPE_FLOAT, FieldDescriptor.TYPE_DOUBLE}
_MAX_SINGLE = 3.4028234663852886e38
_WELL_KNOWN: dict[str, Schema] = {
    "google.protobuf.Struct": ANYTHING,
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?\d+(\.\d{1,9})?s$"},
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
}
_INT32: Schema = {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1}
_COUNT: Schema = {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}


def message_schemas(limits: Limits) -> dict[str, Schema]:
    """The schemas of the native messages by name: those that come in, and those that go out."""
    into: dict[str, Schema] = {}
    _add(pb.RerankBatchRequest.DESCRIPTOR, into, incoming=True)
    _add(pb.RerankBatchResponse.DESCRIPTOR, into, incoming=False)
    _add(pb.StatusResponse.DESCRIPTOR, into, incoming=False)
    into["BatchOptions.input"] = deepcopy(into["RerankOptions.input"])
    _bound(into, limits)
    _bound_batch(into, limits)
    return into


def _bound(schemas: dict[str, Schema], limits: Limits) -> None:
    """Puts in what a descriptor does not say: what has to be there, and the bounds."""
    request, options, document = (
        schemas[f"{name}.input"] for name in ("RerankRequest", "RerankOptions", "Document")
    )
    request["required"] = ["query", "documents"]
    _set(
        request,
        query=query(limits),
        documents=list_of(reference("Document.input"), most=limits.max_documents, least=1),
    )
    _set(document, text=document_text(limits))
    document["oneOf"] = [{"required": ["text"]}, {"required": ["fields"]}]
    for name in ("topN", "maxTokensPerDocument", "maxScoredDocuments"):
        _set(options, **{name: nullable(_COUNT)})
    _set(
        options,
        originalScoreWeight=nullable({"type": "number", "minimum": 0, "maximum": 1}),
        documentFields=nullable(list_of({"type": "string", "minLength": 1}, most=limits.max_document_fields)),
    )


def _bound_batch(schemas: dict[str, Schema], limits: Limits) -> None:
    """The same for a batch: what is wrong with one request is told in its result, not by a status."""
    batch, options = schemas["RerankBatchRequest.input"], schemas["BatchOptions.input"]
    batch["required"] = ["requests"]
    one: Schema = {"anyOf": [reference("RerankRequest.input"), {}]}
    shared = list_of(reference("Document.input"), most=limits.max_documents)
    _set(
        batch,
        requests=list_of(one, most=limits.max_batch_requests, least=1),
        sharedDocuments={"anyOf": [shared, {}]},
        options=nullable(reference("BatchOptions.input")),
    )
    _set(options, documentFields=nullable(list_of(TEXT, most=limits.max_document_fields)))


def _set(schema: Schema, **fields: Schema) -> None:
    properties = schema["properties"]
    assert isinstance(properties, dict)  # noqa: S101 - made below
    properties.update(fields)


def _add(message: Descriptor, into: dict[str, Schema], *, incoming: bool) -> Schema:
    """Adds the schema of a message and of what it holds; a reference to it."""
    if message.full_name in _WELL_KNOWN:
        return _WELL_KNOWN[message.full_name]
    name = f"{message.name}.input" if incoming else message.name
    if name not in into:
        into[name] = {}
        into[name] = record(
            {field.json_name: _of_field(field, into, incoming=incoming) for field in message.fields},
            [] if incoming else [field.json_name for field in message.fields if not field.has_presence],
            closed=incoming,
            description=f"Protobuf JSON of {message.full_name}.",
        )
    return reference(name)


def _of_field(field: FieldDescriptor, into: dict[str, Schema], *, incoming: bool) -> Schema:
    schema = _single(field, into, incoming=incoming)
    if field.is_repeated:
        schema = list_of(schema)
    # Null means that a field is not set; inside a choice it would say that something is chosen. What is
    # `optional` is alone in a choice that protobuf made for it.
    choice = field.containing_oneof
    return nullable(schema) if incoming and (choice is None or len(choice.fields) == 1) else schema


def _single(field: FieldDescriptor, into: dict[str, Schema], *, incoming: bool) -> Schema:
    if field.message_type is not None:
        return _add(field.message_type, into, incoming=incoming)
    if field.enum_type is not None:
        return _enum(field.enum_type, with_numbers=incoming)
    if field.type in _LONGS:
        return {"type": "string", "pattern": r"^-?\d+$"}
    if incoming and field.type == FieldDescriptor.TYPE_FLOAT:
        return {"type": "number", "minimum": -_MAX_SINGLE, "maximum": _MAX_SINGLE}
    if field.type in _REALS:
        return NUMBER
    if field.type == FieldDescriptor.TYPE_BOOL:
        return {"type": "boolean"}
    return _INT32 if field.type == FieldDescriptor.TYPE_INT32 else TEXT


def _enum(kind: EnumDescriptor, *, with_numbers: bool) -> Schema:
    names: list[Json] = [value.name for value in kind.values]
    if not with_numbers:
        return {"type": "string", "enum": names}
    return {"type": ["string", "integer"], "enum": [*names, *(value.number for value in kind.values)]}
