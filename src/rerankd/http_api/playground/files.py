"""The files of the page, as they go out: read once, named by what is in them, compressed beforehand."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "static"

PAGE = "index.html"

_MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_PORT_MARK = b"{{grpc_port}}"


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file, in both ways in which it is sent."""

    media_type: str
    plain: bytes
    gzipped: bytes
    digest: str
    """Of the plain bytes: the heart of its ETags."""


def names() -> frozenset[str]:
    """The files that are served beside the page."""
    return frozenset(
        path.name for path in FOLDER.iterdir() if path.suffix in _MEDIA_TYPES and path.name != PAGE
    )


def read(name: str, grpc_port: int) -> File:
    """Reads one of `names`, or the page, which tells its visitor the port of the gRPC door."""
    plain = (FOLDER / name).read_bytes()
    if name == PAGE:
        plain = plain.replace(_PORT_MARK, str(grpc_port).encode())
    return File(
        media_type=_MEDIA_TYPES[Path(name).suffix],
        plain=plain,
        # Without a time of its own, so that each process makes the same bytes.
        gzipped=gzip.compress(plain, mtime=0),
        digest=hashlib.sha256(plain).hexdigest()[:24],
    )
