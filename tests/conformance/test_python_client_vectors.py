"""The vectors through the real server and the Python clients."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import grpc
import pytest
from google.protobuf import json_format
from support.servers import ServerProcess
from vectors import Answer, Failed, check, check_events, each, kind_of, request_of

from rerankd.client import AsyncClient, Client, RerankdError
from rerankd.client._errors import typed_errors
from rerankd.v1 import rerank_service_pb2 as pb
from rerankd.v1.rerank_service_pb2_grpc import RerankServiceStub


@pytest.fixture(scope="module")
def client(server: ServerProcess) -> Iterator[Client]:
    with Client(server.target) as client:
        yield client


def options_of(request: pb.RerankRequest) -> dict[str, Any]:
    """The keywords that make these options."""
    keywords: dict[str, Any] = {}
    for field, value in request.options.ListFields():
        if field.enum_type is None:
            keywords[field.name] = list(value) if field.name == "document_fields" else value
        elif (known := field.enum_type.values_by_number.get(value)) is not None:
            prefix = field.enum_type.values_by_number[0].name.removesuffix("UNSPECIFIED")
            keywords[field.name] = known.name.removeprefix(prefix).lower()
        else:
            keywords[field.name] = str(value)
    return keywords


def stream_keywords(vector: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: vector[name]
        for name in ("emit", "chunk_documents", "snapshot_interval_seconds")
        if name in vector
    }


def answer_of(target: str, client: Client, vector: Mapping[str, Any]) -> Answer:
    match kind := kind_of(vector):
        case "rerank_batch":
            batch = json_format.ParseDict(vector[kind], pb.RerankBatchRequest())
            keywords = options_of(pb.RerankRequest(options=batch.options))
            return client.rerank_batch(batch.requests, shared_documents=batch.shared_documents, **keywords)
        case "stream_messages":
            return raw_stream(target, vector)
    request = request_of(vector, kind)
    keywords = options_of(request)
    if kind == "rerank_stream":
        with client.rerank_stream(
            request.query, request.documents, **stream_keywords(vector), **keywords
        ) as stream:
            events = list(stream)
            answer = stream.summary()
        check_events(vector, events, answer)
        return answer
    call: Callable[..., pb.RerankResponse] = client.rerank if kind == "rerank" else client.rerank_all
    return call(request.query, request.documents, **keywords)


def raw_stream(target: str, vector: Mapping[str, Any]) -> pb.RerankResponse:
    messages = [json_format.ParseDict(m, pb.RerankStreamRequest()) for m in vector["stream_messages"]]
    with grpc.insecure_channel(target) as channel, typed_errors():
        *_, last = RerankServiceStub(channel).RerankStream(iter(messages))
    return last.summary


def failed(error: RerankdError) -> Failed:
    return Failed(
        code=error.code.name,
        reason=error.reason,
        metadata=error.metadata,
        fields=[violation.field for violation in error.field_violations],
    )


@each()
def test_the_synchronous_client_agrees(server: ServerProcess, client: Client, vector: dict[str, Any]) -> None:
    try:
        answer = answer_of(server.target, client, vector)
    except RerankdError as error:
        answer = failed(error)
    check(vector, answer)


def goes_by_an_async_call(vector: Mapping[str, Any]) -> bool:
    """The clients share what makes batches, and raw streams have no client."""
    return kind_of(vector) not in ("rerank_batch", "stream_messages")


@each(goes_by_an_async_call)
async def test_the_async_client_agrees(server: ServerProcess, vector: dict[str, Any]) -> None:
    kind = kind_of(vector)
    request = request_of(vector, kind)
    keywords = options_of(request)
    async with AsyncClient(server.target) as client:
        try:
            if kind == "rerank_stream":
                async with client.rerank_stream(
                    request.query, request.documents, **stream_keywords(vector), **keywords
                ) as stream:
                    events = [event async for event in stream]
                    answer: Answer = await stream.summary()
                assert isinstance(answer, pb.RerankResponse)
                check_events(vector, events, answer)
            else:
                call = client.rerank if kind == "rerank" else client.rerank_all
                answer = await asyncio.wait_for(call(request.query, request.documents, **keywords), 60)
        except RerankdError as error:
            answer = failed(error)
    check(vector, answer)
