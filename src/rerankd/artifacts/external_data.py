"""Which files a graph keeps its weights in, read from the ONNX file itself.

Only the protobuf framing is walked, over a memory map: of a graph of 1 GB a few hundred kilobytes
are touched. Parsing it with the onnx package would hold the file twice in memory.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

# Message -> field number -> message of that field, from onnx.proto; only the ways to a tensor.
_FIELDS: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
}
_GRAPH_FIELD = 7
_DEEPEST = 64
"""Graphs inside graphs are loops and branches; nobody nests them this deep but to exhaust a parser."""
_FIXED_WIDTHS = {1: 8, 5: 4}
_LENGTH_DELIMITED = 2


def external_data_names(path: Path) -> tuple[str, ...]:
    """Names of the files beside `path` that hold its weights, in the order of their first use.

    Raises:
        ValueError: It is not an ONNX file, or it names a file that is not a plain sibling; the
            message says which and continues a sentence.
    """
    if path.stat().st_size == 0:
        raise ValueError("is empty")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data[:24] == b"version https://git-lfs.":
            raise ValueError("is a Git LFS pointer, not the file itself")
        try:
            if not any(number == _GRAPH_FIELD for number, _, _ in _fields(data, 0, len(data))):
                raise ValueError("holds no graph")
            names = dict.fromkeys(_locations(data, 0, len(data), "model", 0))
        except IndexError:
            raise ValueError("is not an ONNX file") from None
    for name in names:
        _check_plain(name)
    return tuple(names)


def _check_plain(name: str) -> None:
    """A location with a way in it could read any file that the server can."""
    if (
        not name
        or name in (".", "..")
        or not name.isprintable()
        or "/" in name
        or "\\" in name
        or ":" in name
    ):
        raise ValueError(f"keeps weights in {name[:80]!a}, which is not a file beside it")


def _locations(data: mmap.mmap, start: int, end: int, message: str, depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        raise ValueError("is nested too deep")
    children = _FIELDS[message]
    for number, first, last in _fields(data, start, end):
        child = children.get(number)
        if child == "entry":
            key, value = _entry(data, first, last)
            if key == b"location":
                yield value.decode("utf-8", errors="replace")
        elif child is not None:
            yield from _locations(data, first, last, child, depth + 1)


def _entry(data: mmap.mmap, start: int, end: int) -> tuple[bytes, bytes]:
    found = {number: data[first:last] for number, first, last in _fields(data, start, end)}
    return found.get(1, b""), found.get(2, b"")


def _fields(data: mmap.mmap, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Number, first byte and end of each length-delimited field; the others are stepped over."""
    position = start
    while position < end:
        tag, position = _varint(data, position)
        wire = tag & 7
        if wire == _LENGTH_DELIMITED:
            length, position = _varint(data, position)
            if position + length > end:
                raise ValueError("is cut off or not an ONNX file")
            yield tag >> 3, position, position + length
            position += length
        elif wire == 0:
            _, position = _varint(data, position)
        elif wire in _FIXED_WIDTHS:
            position += _FIXED_WIDTHS[wire]
        else:
            raise ValueError("is not an ONNX file")


def _varint(data: mmap.mmap, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position += 1
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError("is not an ONNX file")
