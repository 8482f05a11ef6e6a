"""Rows through the real engine on a fake model: results, rows at fault, and what is no row's fault."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pyarrow as pa
import pytest
from support.fake_backend import NAN_WORD, RAISE_WORD, FakeBackend, expected_logit
from support.servers import fake_config, fake_engine

from rerankd.batch.job import Columns
from rerankd.batch.queries import Lists, Pairs
from rerankd.batch.ranking import Ranked, rank_rows
from rerankd.core.engine import Engine
from rerankd.core.errors import BackendFailedError, NonFiniteScoreError
from rerankd.core.types import FailureMode, Options

LISTS = Lists(Columns(), return_documents=False)
PAIRS = Pairs(Columns(group="id"))
RAW = Options(raw_scores=True)


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    config = fake_config(
        limits={"max_documents": 10, "max_document_bytes": 200}, reranking={"on_failure": "original_order"}
    )
    made = fake_engine(FakeBackend(), config)
    yield made
    await made.registry.close()
    made.close()


async def ranked(
    engine: Engine, rows: list[dict[str, Any]], shape: Lists | Pairs, options: Options = RAW
) -> Ranked:
    return await rank_rows(engine, rows, shape, options, concurrent_queries=3)


async def test_a_row_keeps_its_columns_and_gets_its_results(engine: Engine) -> None:
    documents = ["salt", {"text": "red river", "id": 7}, "red stone"]
    found = await ranked(engine, [{"n": 1, "query": "red river", "documents": documents}], LISTS)
    assert found.queries == 1
    assert found.documents == 3
    assert found.models == {"test/fake@r1"}
    (row,) = found.rows
    assert row["n"] == 1
    assert row["error"] is None
    assert "documents" not in row
    assert [(r["rank"], r["index"], r["id"]) for r in row["results"]] == [
        (1, 1, "7"),
        (2, 2, None),
        (3, 0, None),
    ]
    assert row["results"][0]["score"] == pytest.approx(expected_logit("red river", "red river"), abs=1e-6)


async def test_more_documents_than_a_request_takes_are_ranked_all_the_same(engine: Engine) -> None:
    documents = [f"red {'salt ' * i}" for i in range(35)]
    found = await ranked(engine, [{"query": "red", "documents": documents}], LISTS)
    assert [r["index"] for r in found.rows[0]["results"]] == list(range(35))


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"query": "", "documents": ["a"]}, "INVALID_REQUEST: query is empty"),
        ({"documents": ["a"]}, "INVALID_REQUEST: the row has no query"),
        ({"query": 5, "documents": ["a"]}, "INVALID_REQUEST: query is no text"),
        ({"query": "q", "documents": []}, "INVALID_REQUEST: documents is empty"),
        ({"query": "q", "documents": "a"}, "INVALID_REQUEST: documents is no list"),
        ({"query": "q", "documents": ["a", 5]}, "INVALID_REQUEST: documents[1] is neither"),
        ({"query": "q", "documents": [{"txt": "a"}]}, "INVALID_REQUEST: documents[0] is neither"),
        ({"query": "q", "documents": ["a" * 300]}, "DOCUMENT_TOO_LONG: "),
    ],
)
async def test_a_row_at_fault_has_the_reason_and_its_neighbours_are_ranked(
    engine: Engine, row: dict[str, Any], told: str
) -> None:
    good = {"query": "red", "documents": ["red"]}
    found = await ranked(engine, [good, row, good], LISTS)
    assert [each["error"] is None for each in found.rows] == [True, False, True]
    assert found.rows[1]["error"].startswith(told)
    assert found.rows[1]["results"] == []
    assert (found.queries, found.errors) == (3, 1)


@pytest.mark.parametrize(
    ("word", "kind"), [(RAISE_WORD, BackendFailedError), (NAN_WORD, NonFiniteScoreError)]
)
async def test_a_model_that_fails_fails_the_part(engine: Engine, word: str, kind: type[Exception]) -> None:
    # Although the configuration, and the caller, forgive it.
    options = Options(on_failure=FailureMode.ORIGINAL_ORDER)
    with pytest.raises(ExceptionGroup) as raised:
        await ranked(engine, [{"query": "red", "documents": [word]}], LISTS, options)
    assert raised.group_contains(kind)


async def test_pairs_come_out_best_first_as_they_were(engine: Engine) -> None:
    rows = [{"id": 1, "query": "red", "document": text, "n": text[0]} for text in ("salt", "red", "stone")]
    group = {"key": "1", "rows": rows}
    found = await ranked(engine, [group], PAIRS, Options(top_n=2, raw_scores=True))
    assert [(row["rank"], row["document"], row["n"]) for row in found.rows] == [
        (1, "red", "r"),
        (2, "salt", "s"),
    ]
    assert found.documents == 3


async def test_a_group_of_two_queries_is_at_fault(engine: Engine) -> None:
    rows = [{"id": 1, "query": query, "document": "salt"} for query in ("red", "river")]
    found = await ranked(engine, [{"key": "1", "rows": rows}], PAIRS)
    assert [(row["query"], row["rank"]) for row in found.rows] == [("red", None), ("river", None)]
    assert "rows of the group '1' have different queries" in found.rows[0]["error"]


def test_results_have_the_types_of_their_inputs() -> None:
    item = pa.struct([("text", pa.string()), ("id", pa.int64())])
    source = pa.schema([("query", pa.string()), ("documents", pa.list_(item)), ("n", pa.int8())])
    made = Lists(Columns(), return_documents=True).schema(source)
    assert made.names == ["query", "n", "results", "error"]
    assert made.field("results").type.value_type.field("document").type == item
    assert PAIRS.schema(pa.schema([("document", pa.string())])).names == [
        "document",
        "rank",
        "score",
        "error",
    ]
