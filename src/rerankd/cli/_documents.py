"""Candidates from a file: one text a line, or one JSON object a line."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rerankd.cli._failure import Failure

if TYPE_CHECKING:
    from rerankd.client import Document

STDIN = "-"


@contextmanager
def documents_of(source: str, *, jsonl: bool) -> Iterator[Iterator[Document]]:
    """The documents of a file, or of stdin for `-`, read as they are asked for.

    Empty lines are skipped. A document without an id is named by the number of its line.
    """
    if source == STDIN:
        # Whatever the locale says, the file format is UTF-8.
        file = io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8-sig")
        try:
            yield _documents(file, "standard input", jsonl=jsonl)
        finally:
            file.detach()
        return
    path = Path(source)
    with path.open(encoding="utf-8-sig") as file:
        yield _documents(file, source, jsonl=jsonl or path.suffix in (".jsonl", ".ndjson"))


def _documents(file: Iterable[str], name: str, *, jsonl: bool) -> Iterator[Document]:
    from rerankd.client import Document

    number = 0
    try:
        for number, line in enumerate(file, start=1):
            text = line.strip()
            if not text:
                continue
            yield _parsed(text, name, number) if jsonl else Document(id=str(number), text=text)
    except UnicodeDecodeError as error:
        raise Failure(f"{name}: line {number + 1} is not UTF-8 text") from error


def _parsed(text: str, name: str, number: int) -> Document:
    from rerankd.client import InvalidRequestError, rerank_request

    try:
        value = json.loads(text)
    except ValueError as error:
        raise Failure(f"{name}: line {number} is not JSON: {error}") from error
    if isinstance(value, str):
        value = {"text": value}
    if not isinstance(value, dict):
        raise Failure(f"{name}: line {number} is neither an object nor a string")
    # Ids that are numbers are common in exports, and only text travels.
    named = {**value, "id": str(number if value.get("id") in (None, "") else value["id"])}
    try:
        return rerank_request("", [named]).documents[0]
    except InvalidRequestError as error:
        raise Failure(f"{name}: line {number} {error.field_violations[0].description}") from error
