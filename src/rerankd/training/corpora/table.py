"""Any document of a corpus by its id, without keeping their texts in memory."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from rerankd.training.corpora.reading import document_of, opened
from rerankd.training.corpora.records import CorpusDocument, invalid


class DocumentTable:
    """Where each document begins in its file; read once from one end to the other to find out.

    A .gz file, which has no such places, is unpacked into a temporary file that nobody else sees.
    """

    def __init__(self, path: Path) -> None:
        self._file = _plain(path)
        weakref.finalize(self, self._file.close)
        ids: list[str] = []
        begins: list[int] = []
        position = 0
        for line in self._file:
            if line.strip():
                ids.append(document_of(_object(line, path), path.name).id)
                begins.append(position)
            position += len(line)
        self.ids = tuple(ids)
        self._begins = np.array([*begins, position], dtype=np.int64)
        self._places = {document_id: place for place, document_id in enumerate(ids)}
        self._name = path

    def place_of(self, document_id: str) -> int | None:
        """Number of a document in the file, from 0; None where there is none of this id."""
        return self._places.get(document_id)

    def documents(self, ids: Iterable[str]) -> dict[str, CorpusDocument]:
        """Those of the documents that exist."""
        places = {i: place for i in ids if (place := self.place_of(i)) is not None}
        return {document_id: self._at(place) for document_id, place in places.items()}

    def _at(self, place: int) -> CorpusDocument:
        begin, end = int(self._begins[place]), int(self._begins[place + 1])
        # Reads at a place move nothing that another thread relies on.
        line = os.pread(self._file.fileno(), end - begin, begin)
        return document_of(_object(line.split(b"\n", 1)[0], self._name), self._name.name)


def _plain(path: Path) -> BinaryIO:
    if path.suffix != ".gz":
        return path.open("rb")
    unpacked = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115 - closed with the table
    with closing(opened(path)) as packed:
        shutil.copyfileobj(packed, unpacked)
    unpacked.flush()
    unpacked.seek(0)
    return unpacked


def _object(line: bytes, path: Path) -> dict[str, object]:
    try:
        record = json.loads(line)
    except ValueError:
        record = None
    if not isinstance(record, dict):
        raise invalid(path.name, "has a line that is no JSON object")
    return record
