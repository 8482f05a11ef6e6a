"""Rows of pairs on their way through the shuffle, without the shuffle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rerankd.batch import running
from rerankd.batch.files import find_inputs
from rerankd.batch.formats import Format, JsonLines, Parquet
from rerankd.batch.grouping import _gather, _read
from rerankd.batch.job import BatchError, Columns, Job
from rerankd.batch.queries import Pairs
from rerankd.config import Config

ROWS: list[dict[str, Any]] = [
    {"id": 2, "query": "b", "document": "one", "n": 1.5},
    {"id": 1, "query": "a", "document": "two", "n": None},
    {"id": 2, "query": "b", "document": "three", "n": 2.5},
]


def write(folder: Path, source: Format, name: str = "rows") -> None:
    path = folder / f"{name}{source.suffix}"
    if isinstance(source, Parquet):
        pq.write_table(pa.Table.from_pylist(ROWS), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))


@pytest.mark.parametrize("source", [Parquet(), JsonLines()], ids=["parquet", "jsonl"])
def test_a_group_has_its_rows_as_they_were_and_in_their_order(source: Format, tmp_path: Path) -> None:
    write(tmp_path, source)
    (file,) = find_inputs((str(tmp_path),), (source.suffix,))
    read = [
        _read(pa.Table.from_pylist([{"number": number, **piece_fields(piece)}]), "id", source)
        for number, piece in enumerate(source.pieces(file, 60))
    ]
    # The shuffle brings the rows of a group in any order.
    table = pa.concat_tables(reversed(read))
    group = _gather(table.filter(pa.compute.equal(table["key"], "2")))
    (row,) = group.to_pylist()
    assert row["key"] == "2"
    query = Pairs(Columns(group="id")).query(row)
    assert query.rows == [ROWS[0], ROWS[2]]
    assert [document.text for document in query.documents] == ["one", "three"]


def piece_fields(piece: Any) -> dict[str, Any]:
    return {name: getattr(piece, name) for name in ("uri", "row_group", "start", "stop", "size")}


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        (Columns(query="question"), "has no column question; it has id, query, document, n"),
        (Columns(document="text"), "has no column text"),
        (Columns(group="user"), "has no column user"),
    ],
)
def test_a_column_that_is_not_there_is_named(columns: Columns, told: str, tmp_path: Path) -> None:
    write(tmp_path, Parquet())
    files = find_inputs((str(tmp_path),), (".parquet",))
    job = Job(inputs=(str(tmp_path),), output="out", config=Config(), shape="pairs", columns=columns)
    with pytest.raises(BatchError, match=told):
        running._schema(job, Parquet(), files)


def test_files_of_other_columns_are_named(tmp_path: Path) -> None:
    write(tmp_path, Parquet(), "a")
    pq.write_table(pa.table({"query": ["q"], "document": ["d"]}), tmp_path / "b.parquet")
    files = find_inputs((str(tmp_path),), (".parquet",))
    job = Job(inputs=(str(tmp_path),), output="out", config=Config(), shape="pairs")
    with pytest.raises(BatchError, match=r"b\.parquet has other columns than .*a\.parquet"):
        running._schema(job, Parquet(), files)
