"""Reading vectors, and comparing an answer with what one expects."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.message import Message

from rerankd.v1 import rerank_service_pb2 as pb

FOLDER = Path(__file__).parent / "vectors"
SCORES = ("score", "logit", "original_score")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """An error, however it was told."""

    code: str
    reason: str
    metadata: Mapping[str, str]
    fields: Sequence[str]


Answer = pb.RerankResponse | pb.RerankBatchResponse | Failed


def load() -> dict[str, dict[str, Any]]:
    """Every vector by name."""
    vectors: dict[str, dict[str, Any]] = {}
    for path in sorted(FOLDER.glob("*.json")):
        for vector in json.loads(path.read_text(encoding="utf-8"))["vectors"]:
            assert vector["name"] not in vectors, f"{path.name}: {vector['name']} is there twice"
            vectors[vector["name"]] = vector
    return vectors


VECTORS = load()


def each(fits: Callable[[Mapping[str, Any]], bool] = lambda _: True) -> pytest.MarkDecorator:
    """Runs a test with each vector that fits."""
    chosen = {name: vector for name, vector in VECTORS.items() if fits(vector)}
    return pytest.mark.parametrize("vector", chosen.values(), ids=chosen)


def request_of(vector: Mapping[str, Any], kind: str) -> pb.RerankRequest:
    """The request of a vector, with the documents that it generates."""
    request = json_format.ParseDict(vector[kind], pb.RerankRequest())
    generate = vector.get("generate", {"count": 0})
    for i in range(generate["count"]):
        text = generate["texts"][i % len(generate["texts"])].replace("{i}", str(i))
        request.documents.add(id=f"g{i}", text=text)
    return request


def kind_of(vector: Mapping[str, Any]) -> str:
    """Which request a vector holds."""
    kinds = {"rerank", "rerank_all", "rerank_stream", "rerank_batch", "stream_messages"}
    (kind,) = kinds & vector.keys()
    return kind


def check(vector: Mapping[str, Any], answer: Answer) -> None:
    """Asserts that an answer is the expected one."""
    _check(vector["expect"], answer, vector.get("tolerance", 1e-4))


def _check(expect: Mapping[str, Any], answer: Any, tolerance: float) -> None:
    if "same_as" in expect:
        other = VECTORS[expect["same_as"]]
        _check(other["expect"], answer, other.get("tolerance", tolerance))
    elif "error" in expect:
        _check_error(expect["error"], answer)
    elif "items" in expect:
        assert isinstance(answer, pb.RerankBatchResponse), answer
        for item, result in zip(expect["items"], answer.results, strict=True):
            if "error" in item:
                assert result.error.reason == item["error"]["reason"]
            else:
                _check(item, result.response, tolerance)
    else:
        assert isinstance(answer, pb.RerankResponse), answer
        _check_ranking(expect, answer, tolerance)


def _check_error(expect: Mapping[str, Any], answer: Any) -> None:
    assert isinstance(answer, Failed), answer
    assert (answer.code, answer.reason) == (expect["code"], expect["reason"])
    assert expect.get("metadata", {}).items() <= dict(answer.metadata).items()
    if "fields" in expect:
        assert list(answer.fields) == expect["fields"]


def _check_ranking(expect: Mapping[str, Any], answer: pb.RerankResponse, tolerance: float) -> None:
    wanted = expect["results"]
    assert len(answer.results) == expect.get("count", len(wanted))
    for entry, result in zip(wanted, answer.results, strict=False):
        for name, value in entry.items():
            told = _plain(getattr(result, name))
            if name in SCORES:
                assert told == pytest.approx(value, abs=tolerance, rel=1e-6), (name, result)
            else:
                assert told == value, (name, result)
    if "outcome" in expect:
        assert pb.Outcome.Name(answer.outcome) == f"OUTCOME_{expect['outcome']}"
    assert answer.outcome_reason.startswith(expect.get("outcome_reason", ""))
    if "model" in expect:
        assert answer.model.id == expect["model"]
    for name, value in expect.get("usage", {}).items():
        assert getattr(answer.usage, name) == value, name


def _plain(value: object) -> object:
    if isinstance(value, Message):
        return json_format.MessageToDict(value, preserving_proto_field_name=True)
    return value


def check_events(
    vector: Mapping[str, Any], events: Sequence[pb.ScoreChunk | pb.Snapshot], answer: pb.RerankResponse
) -> None:
    """Asserts what holds for the events of every stream."""
    by_index = {result.index: result for result in answer.results}
    match vector.get("emit", "summary_only"):
        case "summary_only":
            assert not events
        case "scores":
            scores = dict(_scores_of(events))
            assert len(scores) == sum(
                len(chunk.index) for chunk in events if isinstance(chunk, pb.ScoreChunk)
            )
            assert len(scores) == answer.usage.scored_documents
            unscored = [
                i for chunk in events if isinstance(chunk, pb.ScoreChunk) for i in chunk.unscored_index
            ]
            assert len(unscored) == len(set(unscored))
            assert scores.keys().isdisjoint(unscored)
            if answer.outcome == pb.OUTCOME_PASSTHROUGH:
                assert set(unscored) == set(range(answer.usage.documents))
            for index, score in scores.items():
                assert index not in by_index or by_index[index].score == pytest.approx(score, abs=1e-6)
        case "snapshots":
            snapshots = [event for event in events if isinstance(event, pb.Snapshot)]
            assert len(snapshots) == len(events)
            assert snapshots
            counts = [snapshot.scored for snapshot in snapshots]
            assert counts == sorted(counts)
            for snapshot in snapshots:
                ranked = [result.score for result in snapshot.results]
                assert ranked == sorted(ranked, reverse=True)
                assert len(ranked) <= vector["rerank_stream"]["options"]["top_n"]
            if counts[-1] == answer.usage.scored_documents:
                assert {r.id for r in snapshots[-1].results} <= {r.id for r in answer.results}


def _scores_of(events: Sequence[pb.ScoreChunk | pb.Snapshot]) -> Iterator[tuple[int, float]]:
    for chunk in events:
        assert isinstance(chunk, pb.ScoreChunk)
        yield from zip(chunk.index, chunk.score, strict=True)
