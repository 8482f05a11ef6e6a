"""Servers that learn, and a small world in which a query's word says which document is right."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.longrunning.operations_pb2_grpc import OperationsStub
from pydantic import SecretStr

from rerankd.training.v1alpha import settings_pb2
from rerankd.training.v1alpha import training_service_pb2 as pb
from rerankd.training.v1alpha.training_service_pb2_grpc import TrainingServiceStub
from support.fake_backend import FakeBackend
from support.servers import FakeServer, fake_config, serving

TOKEN = "correct horse battery staple"
METADATA = (("authorization", f"Bearer {TOKEN}"),)
HEADERS = {"authorization": f"Bearer {TOKEN}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningServer:
    """A running server that learns."""

    server: FakeServer
    stub: Any
    operations: Any

    async def call(self, method: str, request: Any) -> Any:
        """One call with the admin token."""
        return await getattr(self.stub, method)(request, metadata=METADATA)


@asynccontextmanager
async def learning(
    directory: Path, backend: FakeBackend | None = None, **training: Any
) -> AsyncIterator[Any]:
    """A server with a fake model whose learning reranker is real."""
    config = fake_config(
        http_enabled=True,
        admin={"token": SecretStr(TOKEN)},
        training={"enabled": True, "directory": directory, **training},
    )
    async with serving(config, backend) as server:
        stub: Any = TrainingServiceStub
        operations: Any = OperationsStub
        yield LearningServer(server=server, stub=stub(server.channel), operations=operations(server.channel))


def shown(request_id: str, documents: list[tuple[str, str]], query: str, corpus: str = "docs") -> Any:
    """An event that tells of a list of results."""
    return pb.FeedbackEvent(
        event_id=f"shown-{request_id}",
        request_id=request_id,
        corpus_id=corpus,
        shown=pb.Shown(query=query, documents=[pb.ShownDocument(id=i, text=t) for i, t in documents]),
    )


def clicked(request_id: str, document_id: str, corpus: str = "docs") -> Any:
    """An event that tells of a click."""
    return pb.FeedbackEvent(
        event_id=f"click-{request_id}",
        request_id=request_id,
        corpus_id=corpus,
        click=pb.Click(document_id=document_id),
    )


def records(
    documents: dict[str, str], queries: dict[str, str], judgments: list[tuple[str, str, str, int]]
) -> Iterator[pb.ImportCorpusRequest]:
    """A corpus as the messages of an import; judgments are split, query, document, score."""
    yield pb.ImportCorpusRequest(start=pb.ImportCorpusStart(corpus_id="docs"))
    split: Any = settings_pb2.Split
    yield pb.ImportCorpusRequest(
        records=pb.CorpusRecords(
            documents=[pb.CorpusDocument(id=i, text=t) for i, t in documents.items()],
            queries=[pb.CorpusQuery(id=i, text=t) for i, t in queries.items()],
            judgments=[
                pb.Judgment(
                    split=split.Value(f"SPLIT_{name.upper()}"), query_id=q, document_id=d, score=score
                )
                for name, q, d, score in judgments
            ],
        )
    )
