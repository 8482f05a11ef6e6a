"""Files by path or URI, on whatever file system Arrow reaches."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pyarrow import fs

from rerankd.batch.job import BatchError


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFile:
    """A file of the dataset as it was when the run was planned."""

    uri: str
    size: int
    modified: str


def located(uri: str) -> tuple[fs.FileSystem, str]:
    """The file system of a path or URI, and the path in it.

    Raises:
        BatchError: Arrow knows no such file system.
    """
    try:
        system, path = fs.FileSystem.from_uri(uri if "://" in uri else str(Path(uri).expanduser().absolute()))
    except (pa.ArrowInvalid, OSError) as error:
        raise BatchError(f"{uri}: {error}") from error
    return system, path


def find_inputs(uris: tuple[str, ...], suffixes: tuple[str, ...]) -> list[InputFile]:
    """The files that are named, and those with one of the suffixes in folders that are named, sorted by name.

    Raises:
        BatchError: A name leads nowhere, or there is no such file.
    """
    found = {file.uri: file for uri in uris for file in _files(uri, suffixes)}
    if not found:
        raise BatchError(f"no file that ends in {' or '.join(suffixes)} in {', '.join(uris)}")
    return [found[uri] for uri in sorted(found)]


def is_within(uri: str, folder: str) -> bool:
    """Whether a path or URI is that of a folder, or of something in it."""
    (system, path), (other, outer) = located(uri), located(folder)
    return system.equals(other) and f"{path.rstrip('/')}/".startswith(f"{outer.rstrip('/')}/")


def _files(uri: str, suffixes: tuple[str, ...]) -> Iterator[InputFile]:
    system, path = located(uri)
    info = system.get_file_info(path)
    if info.type is fs.FileType.NotFound:
        raise BatchError(f"{uri}: no such file or folder")
    if info.is_file:
        yield _input_file(uri, path, info)
        return
    for each in system.get_file_info(fs.FileSelector(path, recursive=True)):
        # Names that begin with _ or . are notes of the programs that wrote the dataset.
        parts = each.path[len(path) :].strip("/").split("/")
        if each.is_file and each.path.endswith(suffixes) and not any(p.startswith(("_", ".")) for p in parts):
            yield _input_file(uri, path, each)


def _input_file(root: str, root_path: str, info: fs.FileInfo) -> InputFile:
    # The name of a file in a folder is the folder's URI and the rest, so that a scheme is kept.
    uri = root.rstrip("/") + info.path[len(root_path.rstrip("/")) :]
    return InputFile(uri=uri, size=info.size, modified=str(info.mtime_ns))


class Folder:
    """A folder on any file system; what is written appears whole or not at all."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.system, self.path = located(uri)

    def names(self, suffix: str) -> list[str]:
        """Names in it that end so."""
        selector = fs.FileSelector(self.path, allow_not_found=True)
        names = (info.base_name for info in self.system.get_file_info(selector))
        return sorted(name for name in names if name.endswith(suffix) and not name.startswith("."))

    def within(self, name: str) -> Folder:
        """A folder in it."""
        return Folder(f"{self.uri.rstrip('/')}/{name}")

    def read(self, name: str) -> bytes | None:
        """The content of a file; None if there is no such file."""
        try:
            with self.system.open_input_stream(f"{self.path}/{name}") as stream:
                return bytes(stream.read())
        except FileNotFoundError:
            return None

    def write(self, name: str, content: bytes) -> None:
        """Puts a file in place, over one of the same name."""
        self.system.create_dir(self.path, recursive=True)
        draft = f"{self.path}/.{name}.{uuid.uuid4().hex}"
        with self.system.open_output_stream(draft) as stream:
            stream.write(content)
        self.system.move(draft, f"{self.path}/{name}")

    def remove(self) -> None:
        """Removes it with all that is in it, if it is there."""
        if self.system.get_file_info(self.path).type is fs.FileType.Directory:
            self.system.delete_dir(self.path)
