"""Weights that lie in files beside the graph: which ones, and that they are what the graph says."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

from rerankd.core.errors import ModelFailedError

if TYPE_CHECKING:
    from onnx import TensorProto

EXTERNAL = 1
"""`TensorProto.EXTERNAL`."""


def check_external_data(tensors: Iterable[TensorProto], folder: Path) -> None:
    """Refuses weights that are missing, cut short, or anywhere but beside the graph.

    Raises:
        ModelFailedError: Says which file; a name that points elsewhere is shown by its last part.
    """
    sizes: dict[str, int] = {}
    for tensor in tensors:
        if tensor.data_location != EXTERNAL:
            continue
        place = {entry.key: entry.value for entry in tensor.external_data}
        name = place.get("location", "")
        if name not in sizes:
            sizes[name] = _size(name, folder)
        offset, length = _number(place, "offset", name), _number(place, "length", name)
        if offset + length > sizes[name]:
            raise ModelFailedError(
                f"external data file {name} has {sizes[name]} bytes; the graph needs {offset + length}: "
                "the download is incomplete or belongs to another graph"
            )


def read_external(tensor: TensorProto, folder: Path) -> bytes:
    """The bytes of a tensor whose place `check_external_data` has accepted."""
    place = {entry.key: entry.value for entry in tensor.external_data}
    with (folder / place["location"]).open("rb") as file:
        file.seek(int(place.get("offset") or 0))
        length = int(place.get("length") or 0)
        return file.read(length) if length else file.read()


def _size(name: str, folder: Path) -> int:
    plain = name not in ("", ".", "..") and PurePosixPath(name).name == name == PureWindowsPath(name).name
    if not plain or "\x00" in name:
        shown = PureWindowsPath(name).name[:80]
        raise ModelFailedError(
            f"the graph keeps weights in {shown!r} outside its own folder; only files beside it are read"
        )
    try:
        path = folder / name
        if path.is_file():
            return path.stat().st_size
    except OSError:
        pass
    raise ModelFailedError(f"external data file {name[:80]} is missing beside the graph")


def _number(place: dict[str, str], key: str, name: str) -> int:
    value = place.get(key, "0") or "0"
    if not value.isdecimal() or len(value) > 18:
        raise ModelFailedError(f"the graph has a silly {key} for external data file {name[:80]}")
    return int(value)
