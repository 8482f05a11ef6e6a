"""What a Hub repository holds at one commit, and the notes of it that make later loads offline."""

from __future__ import annotations

import contextlib
import json
import os
import re
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

_COMMIT = re.compile(r"[0-9a-f]{40}")
_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """A file as the Hub announces it."""

    path: str
    size: int
    sha256: str = ""
    """Of LFS files, which are all the large ones."""
    git_sha1: str = ""
    """Of the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The files of a repository at one commit."""

    repository: str
    commit: str
    license: str
    files: dict[str, RemoteFile]
    """By path."""


class PinBook:
    """Remembers which commit a revision meant at first, and what that commit holds.

    `<owner>--<name>/<revision>.commit` holds a commit; `<owner>--<name>/<commit>.json` its listing. Files
    are written whole and moved into place, so processes may share the directory without locks.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def commit_of(self, repository: str, revision: str) -> str:
        """The pinned commit; empty if the revision was never resolved. A commit is its own pin."""
        if _COMMIT.fullmatch(revision):
            return revision
        try:
            text = self._pin_path(repository, revision).read_text(encoding="ascii").strip()
        except (FileNotFoundError, UnicodeDecodeError):
            return ""
        return text if _COMMIT.fullmatch(text) else ""

    def pin(self, repository: str, revision: str, commit: str, *, replace: bool) -> str:
        """Pins a revision and gives the commit in force: another process's, if that came first."""
        if _COMMIT.fullmatch(revision):
            return revision
        path = self._pin_path(repository, revision)
        if replace:
            _write(path, commit + "\n")
            return commit
        _write(path, commit + "\n", only_new=True)
        return self.commit_of(repository, revision) or commit

    def save(self, snapshot: Snapshot) -> None:
        """Keeps a listing. A commit's content never changes, so overwriting one is harmless."""
        text = json.dumps({"format": _FORMAT, **asdict(snapshot)}, indent=1)
        _write(self._listing_path(snapshot.repository, snapshot.commit), text + "\n")

    def load(self, repository: str, commit: str) -> Snapshot | None:
        """The listing of a commit; None if it is not here or not readable, so that it is asked anew."""
        try:
            stored = json.loads(self._listing_path(repository, commit).read_text(encoding="utf-8"))
            if stored["format"] != _FORMAT:
                return None
            files = {path: RemoteFile(**file) for path, file in stored["files"].items()}
            return Snapshot(
                repository=stored["repository"],
                commit=stored["commit"],
                license=stored["license"],
                files=files,
            )
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def repositories(self) -> list[str]:
        """Every folder here, by the id of the repository that it stands for."""
        if not self._directory.is_dir():
            return []
        return sorted(path.name.replace("--", "/", 1) for path in self._directory.iterdir() if path.is_dir())

    def _pin_path(self, repository: str, revision: str) -> Path:
        return self._directory / folder_name(repository) / f"{quote(revision, safe='')}.commit"

    def _listing_path(self, repository: str, commit: str) -> Path:
        return self._directory / folder_name(repository) / f"{commit}.json"


def folder_name(repository: str) -> str:
    """One folder for each repository; the Hub allows no `--` in ids, so this can be undone."""
    return repository.replace("/", "--")


def staging_name(target: Path) -> Path:
    """A name beside `target` that no other process or thread uses."""
    return target.with_name(f".{target.name}.{os.getpid()}-{threading.get_ident()}.tmp")


def _write(path: Path, text: str, *, only_new: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = staging_name(path)
    try:
        staged.write_text(text, encoding="utf-8")
        if only_new:
            _link_or_move(staged, path)
        else:
            os.replace(staged, path)
    finally:
        staged.unlink(missing_ok=True)


def _link_or_move(source: Path, target: Path) -> None:
    """Puts a file in place unless there is one."""
    try:
        os.link(source, target)
    except FileExistsError:
        return
    except OSError:
        # No hard links here: the first of two processes may lose, and both then read the second's pin.
        with contextlib.suppress(FileExistsError):
            os.replace(source, target)
