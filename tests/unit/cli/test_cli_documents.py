from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from rerankd.cli._documents import documents_of
from rerankd.cli._failure import Failure
from rerankd.client import Document


def read(path: Path, *, jsonl: bool = False) -> list[Document]:
    with documents_of(str(path), jsonl=jsonl) as documents:
        return list(documents)


def test_lines_are_documents_named_by_their_number(tmp_path: Path) -> None:
    file = tmp_path / "f.txt"
    file.write_bytes("\ufefffirst\r\n\n  third ü \n".encode())
    assert [(d.id, d.text) for d in read(file)] == [("1", "first"), ("3", "third ü")]


def test_json_lines_may_be_objects_or_strings(tmp_path: Path) -> None:
    file = tmp_path / "f.jsonl"
    file.write_text(
        '{"id": 7, "text": "a", "original_score": 0.5}\n"b"\n\n'
        '{"id": "", "fields": {"title": "c"}}\n{"id": 0, "text": ""}'
    )
    documents = read(file)
    assert [d.id for d in documents] == ["7", "2", "4", "0"]
    assert documents[0].original_score == 0.5
    assert documents[2].fields["title"] == "c"
    assert documents[3].WhichOneof("content") == "text"


def test_standard_input_is_utf_8_whatever_the_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = io.TextIOWrapper(io.BytesIO("eins\nzwölf\n".encode()), encoding="ascii")
    monkeypatch.setattr(sys, "stdin", stdin)
    with documents_of("-", jsonl=False) as documents:
        assert [d.text for d in documents] == ["eins", "zwölf"]
    assert not stdin.closed


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"text": "a"}\n{"text": \n', "line 2 is not JSON"),
        (b"[1]\n", "line 1 is neither an object nor a string"),
        (b'{"txt": "a"}\n', "line 1 has the unknown key 'txt'"),
        (b'{"text": "a", "original_score": "x"}\n', "line 1 cannot be sent"),
        (b'"a"\n\xff\xfe\n', "is not UTF-8 text"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "f.jsonl"
    file.write_bytes(content)
    with pytest.raises(Failure, match=message) as caught:
        read(file)
    assert str(file) in caught.value.message


def test_a_file_is_read_as_it_is_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "f.jsonl"
    file.write_text('"good"\nbad\n')
    with documents_of(str(file), jsonl=False) as documents:
        assert next(documents).text == "good"
