"""Rewritten graphs on disk, so that the second start does not pay for the first.

One file for each: a line that says what it is, a digest of the rest, a line of JSON, the graph.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from rerankd.backends.onnx.devices import processor
from rerankd.backends.onnx.kept_file import publish

logger = logging.getLogger(__name__)

_MAGIC = b"rerankd graph 1\n"
_DIGEST_LENGTH = 64
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RewrittenGraph:
    """What the rewrites made of a graph."""

    content: bytes
    """The graph; empty = none of them changed it."""
    arithmetic: str
    """Precision of the activations: fp32, fp16, int8, ..."""
    applied: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    """Name and reason of each rewrite that was not applied."""


class GraphCache:
    """Rewritten graphs in a folder; failures of the disk cost time, never a load."""

    def __init__(self, folder: Path) -> None:
        """Touches no disk."""
        self._folder = folder

    def read(self, key: str) -> RewrittenGraph | None:
        """The graph of a key; None where there is none that is whole. A damaged file is deleted."""
        path = self._path(key)
        try:
            file = path.read_bytes()
        except OSError:
            return None
        head = len(_MAGIC) + _DIGEST_LENGTH
        rest = memoryview(file)[head:]
        if file[:head] != _MAGIC + hashlib.sha256(rest).hexdigest().encode():
            logger.warning("a rewritten graph on disk is damaged and is made anew", extra={"file": path.name})
            with contextlib.suppress(OSError):
                path.unlink()
            return None
        end = file.index(b"\n", head)
        about = json.loads(file[head:end])
        return RewrittenGraph(
            content=file[end + 1 :],
            arithmetic=about["arithmetic"],
            applied=tuple(about["applied"]),
            skipped=tuple(about["skipped"]),
        )

    def write(self, key: str, graph: RewrittenGraph) -> None:
        """Keeps a graph."""
        about = {
            field.name: value
            for field, value in zip(fields(graph), asdict(graph).values(), strict=True)
            if field.name != "content"
        }
        rest = json.dumps(about).encode() + b"\n"
        digest = hashlib.sha256(rest)
        digest.update(graph.content)
        try:
            publish(self._path(key), (_MAGIC, digest.hexdigest().encode(), rest, graph.content))
        except OSError as error:
            logger.warning(
                "a rewritten graph cannot be kept on disk", extra={"error": os.strerror(error.errno or 0)}
            )

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.graph"


def graph_key(graph: Path, external: Iterable[str], *parts: str) -> str:
    """Names what a rewrite depends on: the file's content, its external data, and `parts`.

    External data count by size and time, because they may be gigabytes; the processor counts, because
    a graph that is right on one may round otherwise on another.
    """
    digest = hashlib.sha256()
    with graph.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    for name in sorted(external):
        status = (graph.parent / name).stat()
        digest.update(f"\0{name}:{status.st_size}:{status.st_mtime_ns}".encode())
    for part in (*parts, processor()):
        digest.update(b"\0" + part.encode())
    return digest.hexdigest()
