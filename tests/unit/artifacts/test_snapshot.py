"""The notes that pin revisions: whole or absent, and the first one stays."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rerankd.artifacts.snapshot import PinBook, RemoteFile, Snapshot

FIRST, SECOND = "1" * 40, "2" * 40


@pytest.fixture
def pins(tmp_path: Path) -> PinBook:
    return PinBook(tmp_path / "pins")


@pytest.mark.parametrize("revision", ["main", "refs/pr/1", "..", ".", "v1.0/../x", "a b"])
def test_the_first_pin_stays(pins: PinBook, tmp_path: Path, revision: str) -> None:
    assert pins.commit_of("acme/m", revision) == ""
    assert pins.pin("acme/m", revision, FIRST, replace=False) == FIRST
    assert pins.pin("acme/m", revision, SECOND, replace=False) == FIRST
    assert pins.commit_of("acme/m", revision) == FIRST
    assert pins.pin("acme/m", revision, SECOND, replace=True) == SECOND
    assert pins.commit_of("acme/m", revision) == SECOND
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path.parent for path in written] == [tmp_path / "pins" / "acme--m"]


def test_pins_work_where_files_cannot_be_linked(pins: PinBook, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    assert pins.pin("acme/m", "main", FIRST, replace=False) == FIRST
    assert pins.commit_of("acme/m", "main") == FIRST


def test_a_commit_needs_no_pin(pins: PinBook, tmp_path: Path) -> None:
    assert pins.pin("acme/m", FIRST, FIRST, replace=True) == FIRST
    assert pins.commit_of("acme/m", FIRST) == FIRST
    assert not (tmp_path / "pins").exists()


@pytest.mark.parametrize("text", ["", "main", "zz" * 20, "\x00\xff"])
def test_a_damaged_pin_is_no_pin(pins: PinBook, tmp_path: Path, text: str) -> None:
    pins.pin("acme/m", "main", FIRST, replace=False)
    (tmp_path / "pins" / "acme--m" / "main.commit").write_text(text, encoding="utf-8")
    assert pins.commit_of("acme/m", "main") == ""


def test_listings_are_kept(pins: PinBook, tmp_path: Path) -> None:
    file = RemoteFile(path="onnx/model.onnx", size=7, sha256="ab" * 32)
    snapshot = Snapshot(repository="acme/m", commit=FIRST, license="MIT", files={file.path: file})
    assert pins.load("acme/m", FIRST) is None
    pins.save(snapshot)
    assert pins.load("acme/m", FIRST) == snapshot
    assert pins.repositories() == ["acme/m"]
    path = tmp_path / "pins" / "acme--m" / f"{FIRST}.json"
    for text in ("", "[]", '{"format": 2}', '{"format": 1, "files": {"x": {"y": 1}}}'):
        path.write_text(text)
        assert pins.load("acme/m", FIRST) is None
