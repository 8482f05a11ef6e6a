"""Rows of pairs, wherever they lie, gathered into one row a group: the shuffle before pairs are ranked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import ray.data

from rerankd.batch.checkpoint import NOTES
from rerankd.batch.files import Folder, InputFile, find_inputs
from rerankd.batch.formats import Format, Parquet, Piece
from rerankd.batch.job import Job
from rerankd.batch.queries import GROUPED_KEY, GROUPED_ROWS

_FOLDER = "groups"
_FINISHED = "finished.json"
_POSITION = "position"
_ROW = "row"
_PARTITION_BYTES = 64 * 1024 * 1024
"""Of the shuffle: some of them are in memory at a time."""


def gathered(job: Job, source: Format, pieces: Sequence[Piece]) -> list[InputFile]:
    """Files of Parquet with a row for each group; made anew unless an earlier run finished them.

    Groups keep the order of their rows. A whole group is held in memory, the dataset is not.
    """
    folder = Folder(job.output).within(NOTES).within(_FOLDER)
    if folder.read(_FINISHED) is None:
        folder.remove()
        numbered = [{"number": number, **asdict(piece)} for number, piece in enumerate(pieces)]
        rows = ray.data.from_items(numbered, override_num_blocks=len(numbered)).map_batches(
            _read, fn_args=(job.columns.key, source), batch_size=1, batch_format="pyarrow"
        )
        size = sum(piece.size for piece in pieces)
        groups = rows.groupby(GROUPED_KEY, num_partitions=1 + size // _PARTITION_BYTES).map_groups(
            _gather, batch_format="pyarrow"
        )
        folder.system.create_dir(folder.path, recursive=True)
        groups.write_parquet(folder.path, filesystem=folder.system)
        folder.write(_FINISHED, json.dumps({"pieces": len(pieces)}).encode())
    return find_inputs((folder.uri,), (Parquet.suffix,))


def _read(batch: pa.Table, key: str, source: Format) -> pa.Table:
    """The rows of one piece, each with its group and its place in the dataset."""
    (fields,) = batch.to_pylist()
    number = fields.pop("number")
    piece = Piece(**fields)
    if isinstance(source, Parquet):
        table = source.table(piece)
        keys = pc.fill_null(table[key].cast(pa.string()), "")
        rows: pa.Array = table.to_struct_array().combine_chunks()
    else:
        parsed = source.rows(piece)
        keys = pa.array([_text(row, key) for row in parsed], pa.string())
        rows = pa.array([json.dumps(row, ensure_ascii=False) for row in parsed], pa.string())
    positions = pa.array((number << 32 | row for row in range(len(keys))), pa.int64())
    return pa.table({GROUPED_KEY: keys, _POSITION: positions, _ROW: rows})


def _gather(group: pa.Table) -> pa.Table:
    rows = group[_ROW].take(pc.sort_indices(group[_POSITION])).combine_chunks()
    if isinstance(rows, pa.ChunkedArray):
        rows = pa.concat_arrays(rows.chunks)
    lists = pa.ListArray.from_arrays(pa.array([0, len(rows)], pa.int32()), rows)
    return pa.table({GROUPED_KEY: group[GROUPED_KEY].slice(0, 1), GROUPED_ROWS: lists})


def _text(row: Mapping[str, Any], column: str) -> str:
    value = row.get(column)
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)
