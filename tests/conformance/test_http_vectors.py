"""The vectors through the real server's own HTTP routes: protobuf JSON in, protobuf JSON out."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from google.protobuf import json_format
from support.http_server import HttpAnswer, ask
from support.servers import ServerProcess
from vectors import Answer, Failed, check, check_events, each, kind_of, request_of

from rerankd.v1 import rerank_service_pb2 as pb

UNARY = "/api/v1/rerank"
BATCH = "/api/v1/rerank/batch"
STREAM = "/api/v1/rerank/stream"


# What a line is follows from its place, so that these cannot be said in lines.
NOT_IN_LINES = {
    "raw-documents-before-start",
    "raw-two-starts",
    "raw-empty-message",
    "raw-empty-first-message",
}


def is_unary(vector: Mapping[str, Any]) -> bool:
    return kind_of(vector) == "rerank"


def is_batch(vector: Mapping[str, Any]) -> bool:
    return kind_of(vector) == "rerank_batch"


def is_stream(vector: Mapping[str, Any]) -> bool:
    if kind_of(vector) == "stream_messages":
        return vector["name"] not in NOT_IN_LINES
    # Documents of a whole stream are given back by the clients, which have them; the server does not.
    options = vector.get("rerank_stream", {}).get("options", {})
    by_client = options.get("return_documents") and not options.get("top_n")
    return kind_of(vector) == "rerank_stream" and not by_client


def failed(answer: Mapping[str, Any]) -> Failed:
    """The error of a body, as a client would tell it."""
    error = answer["error"]
    details = {detail["@type"].rsplit(".", 1)[1]: detail for detail in error["details"]}
    violations = details.get("BadRequest", {}).get("fieldViolations", [])
    metadata = dict(details["ErrorInfo"]["metadata"])
    metadata.pop("request_id")
    # Paths are in the names of JSON, the vectors have those of the messages.
    fields = [re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", v["field"]) for v in violations]
    return Failed(
        code=error["status"],
        reason=details["ErrorInfo"]["reason"],
        metadata=metadata,
        fields=fields,
    )


def ranking(value: Mapping[str, Any]) -> Answer:
    return failed(value) if "error" in value else json_format.ParseDict(value, pb.RerankResponse())


def post(server: ServerProcess, path: str, body: str, kind: str) -> HttpAnswer:
    return ask(server.http_url, "POST", path, body, {"Content-Type": kind})


@each(is_unary)
def test_the_unary_route_agrees(server: ServerProcess, vector: dict[str, Any]) -> None:
    body = json_format.MessageToJson(request_of(vector, "rerank"))
    answer = ranking(post(server, UNARY, body, "application/json").json)
    check(vector, answer)


@each(is_batch)
def test_the_batch_route_agrees(server: ServerProcess, vector: dict[str, Any]) -> None:
    told = post(server, BATCH, json.dumps(vector["rerank_batch"]), "application/json").json
    batch = failed(told) if "error" in told else json_format.ParseDict(told, pb.RerankBatchResponse())
    check(vector, batch)


@each(is_stream)
def test_the_stream_route_agrees(server: ServerProcess, vector: dict[str, Any]) -> None:
    answer = post(server, STREAM, "\n".join(lines_of(vector)), "application/x-ndjson")
    if answer.status != 200:
        check(vector, failed(answer.json))
        return
    *events, last = [json.loads(line) for line in answer.body.splitlines()]
    result = failed(last) if "error" in last else ranking(last["summary"])
    check(vector, result)
    if isinstance(result, pb.RerankResponse) and kind_of(vector) == "rerank_stream":
        told = [json_format.ParseDict(event, pb.RerankStreamResponse()) for event in events]
        check_events(vector, [getattr(each, each.WhichOneof("message")) for each in told], result)


def lines_of(vector: dict[str, Any]) -> list[str]:
    """The lines that say what a client would send in messages."""
    if "stream_messages" in vector:
        return [json.dumps(line_of(message)) for message in vector["stream_messages"]]
    request = request_of(vector, "rerank_stream")
    start = pb.RerankStreamStart(query=request.query, options=request.options)
    if "emit" in vector:
        start.emit = pb.StreamEmit.Value(f"STREAM_EMIT_{vector['emit'].upper()}")
    if "snapshot_interval_seconds" in vector:
        start.snapshot_interval.FromNanoseconds(int(1e9 * vector["snapshot_interval_seconds"]))
    size = vector.get("chunk_documents", 128)
    chunks = [
        pb.DocumentChunk(documents=request.documents[i : i + size])
        for i in range(0, len(request.documents), size)
    ]
    return [json_format.MessageToJson(message, indent=None) for message in (start, *chunks)]


def line_of(message: Mapping[str, Any]) -> Any:
    """A line is what its message holds: a start or a chunk."""
    (held,) = message.values()
    return held
