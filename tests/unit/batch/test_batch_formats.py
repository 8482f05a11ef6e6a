"""Files in pieces: every row is in one of them, in order, whatever their size."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rerankd.batch.checkpoint import parts_of
from rerankd.batch.files import Folder, find_inputs, is_within
from rerankd.batch.formats import FORMATS, JsonLines, Parquet, Piece, format_of
from rerankd.batch.job import BatchError

ROWS = st.lists(
    st.fixed_dictionaries(
        {"query": st.text(max_size=20), "documents": st.lists(st.text(max_size=30), max_size=4)}
    ),
    max_size=20,
)
# The folder of a test serves all of its examples, and each writes its file anew.
ONE_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@given(
    rows=ROWS,
    block_bytes=st.integers(1, 400),
    newline=st.sampled_from(["\n", "\r\n", "\n\n"]),
    last=st.booleans(),
)
@ONE_FOLDER
def test_every_line_is_in_one_piece(
    tmp_path: Path, rows: list[dict[str, object]], block_bytes: int, newline: str, last: bool
) -> None:
    text = newline.join(json.dumps(row, ensure_ascii=False) for row in rows) + newline * last
    (tmp_path / "rows.jsonl").write_bytes(text.encode("utf-8", "surrogatepass"))
    (file,) = find_inputs((str(tmp_path),), (".jsonl",))
    read = [row for piece in JsonLines().pieces(file, block_bytes) for row in JsonLines().rows(piece)]
    assert read == rows


@given(rows=ROWS, block_bytes=st.integers(1, 400), group=st.integers(1, 7))
@ONE_FOLDER
def test_every_row_of_parquet_is_in_one_piece(
    tmp_path: Path, rows: list[dict[str, object]], block_bytes: int, group: int
) -> None:
    schema = pa.schema([("query", pa.string()), ("documents", pa.list_(pa.string()))])
    pq.write_table(pa.Table.from_pylist(rows, schema), tmp_path / "rows.parquet", row_group_size=group)
    (file,) = find_inputs((str(tmp_path),), (".parquet",))
    read = [row for piece in Parquet().pieces(file, block_bytes) for row in Parquet().rows(piece)]
    assert read == rows


@given(sizes=st.lists(st.integers(0, 50), max_size=30), block_bytes=st.integers(1, 60))
def test_parts_hold_all_pieces_and_are_no_larger_than_a_piece_forces(
    sizes: list[int], block_bytes: int
) -> None:
    pieces = [Piece(uri="f", row_group=i, start=0, stop=1, size=size) for i, size in enumerate(sizes)]
    parts = parts_of(pieces, block_bytes)
    assert [piece for part in parts for piece in part.pieces] == pieces
    assert [part.number for part in parts] == list(range(len(parts)))
    for part in parts:
        assert len(part.pieces) == 1 or sum(piece.size for piece in part.pieces) <= block_bytes


def test_what_is_written_reads_as_what_it_was(tmp_path: Path) -> None:
    rows = [{"query": "q", "n": 1}, {"query": "r", "n": None}]
    schema = pa.schema([("query", pa.string()), ("n", pa.int16())])
    (tmp_path / "rows.parquet").write_bytes(Parquet().encode(rows, schema))
    assert Parquet().schema(str(tmp_path / "rows.parquet")) == schema
    assert pq.read_table(tmp_path / "rows.parquet").to_pylist() == rows
    assert JsonLines().encode([{"n": "ä"}, {"n": [1]}], None) == '{"n": "ä"}\n{"n": [1]}\n'.encode()


def test_folders_are_searched_but_not_for_notes_of_other_programs(tmp_path: Path) -> None:
    for name in ("b/part.parquet", "a.parquet", "_temporary/x.parquet", ".hidden.parquet", "b/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    found = [file.uri for file in find_inputs((str(tmp_path),), tuple(FORMATS))]
    assert found == [f"{tmp_path}/a.parquet", f"{tmp_path}/b/part.parquet"]


def test_a_uri_leads_to_the_same_files(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("{}\n")
    (file,) = find_inputs((tmp_path.as_uri(),), (".jsonl",))
    assert file.uri == f"{tmp_path.as_uri()}/a.jsonl"
    assert JsonLines().rows(next(JsonLines().pieces(file, 100))) == [{}]


@pytest.mark.parametrize(
    ("uri", "inside"), [("data/out", True), ("data", True), ("data2", False), ("other/data", False)]
)
def test_a_folder_knows_what_is_in_it(tmp_path: Path, uri: str, inside: bool) -> None:
    assert is_within(str(tmp_path / uri), str(tmp_path / "data")) is inside
    assert is_within(f"{(tmp_path / uri).as_uri()}/", str(tmp_path / "data/")) is inside


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["a.jsonl", "a.parquet"], "different formats"),
        (["a.csv"], "must end in"),
        (["missing.jsonl"], "no such file"),
        (["."], "no file that ends in"),
    ],
)
def test_inputs_that_cannot_be_read_are_refused(tmp_path: Path, names: list[str], told: str) -> None:
    for name in names:
        if name not in (".", "missing.jsonl"):
            (tmp_path / name).write_text("{}\n")
    with pytest.raises(BatchError, match=told):
        format_of(find_inputs(tuple(str(tmp_path / name) for name in names), tuple(FORMATS)))


@pytest.mark.parametrize(("line", "told"), [("{", "is not JSON"), ("[1]", "no JSON object")])
def test_a_line_that_is_no_row_is_named(tmp_path: Path, line: str, told: str) -> None:
    (tmp_path / "a.jsonl").write_text(f"{{}}\n{line}\n")
    (file,) = find_inputs((str(tmp_path),), (".jsonl",))
    with pytest.raises(BatchError, match=f"byte 3 (is not|is) ?.*{told.removeprefix('is not ')}"):
        JsonLines().rows(next(JsonLines().pieces(file, 100)))


def test_a_file_that_is_no_parquet_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_text("nothing of the kind")
    (file,) = find_inputs((str(tmp_path),), (".parquet",))
    with pytest.raises(BatchError, match=r"a\.parquet: "):
        list(Parquet().pieces(file, 100))


def test_a_file_appears_whole(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path)).within("notes")
    assert folder.read("a.json") is None
    folder.write("a.json", b"1")
    folder.write("a.json", b"2")
    assert folder.read("a.json") == b"2"
    assert folder.names(".json") == ["a.json"]
    assert [path.name for path in (tmp_path / "notes").iterdir()] == ["a.json"]
