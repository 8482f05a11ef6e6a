"""Parquet and JSON lines: how a file is cut into pieces, read, and written."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from rerankd.batch.files import InputFile, located
from rerankd.batch.job import BatchError

Row = dict[str, Any]
"""Column to value."""

_READ_AHEAD = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Part of a file: rows of a row group (Parquet), or the lines that begin in a range of bytes."""

    uri: str
    row_group: int
    start: int
    stop: int
    size: int
    """In bytes, about."""


class Format(Protocol):
    """One kind of file."""

    suffix: str

    def pieces(self, file: InputFile, block_bytes: int) -> Iterator[Piece]:
        """The file in pieces of about that size, which depend on nothing else."""

    def rows(self, piece: Piece) -> list[Row]:
        """The rows of a piece, in order."""

    def schema(self, uri: str) -> pa.Schema | None:
        """The columns of a file; None where rows need have nothing in common."""

    def encode(self, rows: Sequence[Row], schema: pa.Schema | None) -> bytes:
        """The content of a file with these rows."""


class Parquet:
    """Columns with types; what is written has the types of what was read."""

    suffix = ".parquet"

    def pieces(self, file: InputFile, block_bytes: int) -> Iterator[Piece]:
        """Slices of row groups."""
        with _open_parquet(file.uri) as parquet:
            for number in range(parquet.metadata.num_row_groups):
                group = parquet.metadata.row_group(number)
                step = max(1, group.num_rows * block_bytes // max(1, group.total_byte_size))
                for start in range(0, group.num_rows, step):
                    stop = min(start + step, group.num_rows)
                    size = group.total_byte_size * (stop - start) // group.num_rows
                    yield Piece(uri=file.uri, row_group=number, start=start, stop=stop, size=size)

    def table(self, piece: Piece) -> pa.Table:
        """The rows of a piece by column."""
        with _open_parquet(piece.uri) as parquet:
            return parquet.read_row_group(piece.row_group).slice(piece.start, piece.stop - piece.start)

    def rows(self, piece: Piece) -> list[Row]:
        """The rows of a piece, in order."""
        rows: list[Row] = self.table(piece).to_pylist()
        return rows

    def schema(self, uri: str) -> pa.Schema:
        """The columns of a file."""
        with _open_parquet(uri) as parquet:
            return parquet.schema_arrow

    def encode(self, rows: Sequence[Row], schema: pa.Schema | None) -> bytes:
        """A file with these rows."""
        sink = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), sink, compression="zstd")
        return sink.getvalue()


class JsonLines:
    """One object a line; what is written keeps every value as it was."""

    suffix = ".jsonl"

    def pieces(self, file: InputFile, block_bytes: int) -> Iterator[Piece]:
        """Ranges of bytes; a line belongs to the range that it begins in."""
        for start in range(0, file.size, block_bytes):
            stop = min(start + block_bytes, file.size)
            yield Piece(uri=file.uri, row_group=0, start=start, stop=stop, size=stop - start)

    def rows(self, piece: Piece) -> list[Row]:
        """The rows of a piece, in order; empty lines are none.

        Raises:
            BatchError: A line is no JSON object.
        """
        return [_parsed(piece.uri, offset, line) for offset, line in _lines(piece) if line.strip()]

    def schema(self, uri: str) -> None:
        """Nothing: each line may have its own keys."""

    def encode(self, rows: Sequence[Row], schema: pa.Schema | None) -> bytes:
        """A file with these rows."""
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


FORMATS: Mapping[str, Format] = {".parquet": Parquet(), ".jsonl": JsonLines(), ".ndjson": JsonLines()}


def format_of(files: Sequence[InputFile]) -> Format:
    """The format that all files have.

    Raises:
        BatchError: They have different ones, or none that is known.
    """
    kinds = {type(found): found for file in files if (found := _by_name(file.uri))}
    if len(kinds) != 1:
        raise BatchError("the inputs are of different formats: rerank Parquet and JSON lines apart")
    return next(iter(kinds.values()))


def _by_name(uri: str) -> Format:
    suffix = next((suffix for suffix in FORMATS if uri.endswith(suffix)), None)
    if suffix is None:
        raise BatchError(f"{uri}: its name must end in {', '.join(FORMATS)}")
    return FORMATS[suffix]


def _open_parquet(uri: str) -> pq.ParquetFile:
    system, path = located(uri)
    try:
        return pq.ParquetFile(path, filesystem=system)
    except pa.ArrowInvalid as error:
        raise BatchError(f"{uri}: {error}") from error


def _lines(piece: Piece) -> Iterator[tuple[int, bytes]]:
    """Every line that begins in the piece, with the byte it begins at."""
    system, path = located(piece.uri)
    with system.open_input_file(path) as opened, io.BufferedReader(opened, _READ_AHEAD) as file:
        if piece.start:
            # The line around the first byte began before it, unless the byte before it ended a line.
            file.seek(piece.start - 1)
            file.readline()
        while (offset := file.tell()) < piece.stop and (line := file.readline()):
            yield offset, line


def _parsed(uri: str, offset: int, line: bytes) -> Row:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise BatchError(f"{uri}: the line at byte {offset} is not JSON: {error}") from error
    if not isinstance(row, dict):
        raise BatchError(f"{uri}: the line at byte {offset} is no JSON object")
    return row
