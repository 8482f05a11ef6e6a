"""The shelf of files whose checksums matched: what is loaded is taken from here, and only from here."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from rerankd.artifacts.checksums import git_sha1_of, sha256_of
from rerankd.artifacts.snapshot import RemoteFile, Snapshot, folder_name, staging_name
from rerankd.core.errors import ModelFailedError


class VerifiedFiles:
    """Plain files at `<owner>--<name>/<commit>/<path>`, each checked before it came here.

    They are hard links to the blobs of the Hub's cache, so they cost no space. Plain files, because
    ONNX Runtime refuses external data behind the symbolic links of that cache.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def root(self, snapshot: Snapshot) -> Path:
        """The folder of a repository at one commit."""
        return self._directory / folder_name(snapshot.repository) / snapshot.commit

    def path(self, snapshot: Snapshot, file: RemoteFile) -> Path:
        """Where the file is, or will be."""
        return self.root(snapshot) / file.path

    def has(self, snapshot: Snapshot, file: RemoteFile) -> bool:
        """Whether the file is here in full; its checksum matched when it came."""
        try:
            return self.path(snapshot, file).stat().st_size == file.size
        except OSError:
            return False

    def admit(self, source: Path, snapshot: Snapshot, file: RemoteFile) -> Path:
        """Checks a downloaded file and shelves it.

        Raises:
            ModelFailedError: It is not what the Hub announced.
        """
        check(source, snapshot, file)
        target = self.path(snapshot, file)
        target.parent.mkdir(parents=True, exist_ok=True)
        _place(source.resolve(), target)
        return target

    def of(self, snapshot: Snapshot) -> Iterator[RemoteFile]:
        """The snapshot's files that are here."""
        return (file for file in snapshot.files.values() if self.has(snapshot, file))

    def size_of(self, repository: str) -> int:
        """Bytes of the repository's files, all commits together."""
        folder = self._directory / folder_name(repository)
        return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def check(path: Path, snapshot: Snapshot, file: RemoteFile) -> None:
    """Compares a file with what the Hub announced.

    Raises:
        ModelFailedError: They differ.
    """
    algorithm = "sha256" if file.sha256 else "git sha1"
    expected = file.sha256 or file.git_sha1
    if not expected:
        raise ModelFailedError(
            f"the Hub announces no checksum for {file.path} of {snapshot.repository}; "
            "set HF_ENDPOINT to one that does",
            metadata={"file": file.path},
        )
    got = sha256_of(path) if file.sha256 else git_sha1_of(path)
    if got == expected:
        return
    raise ModelFailedError(
        f"{file.path} of {snapshot.repository} does not match its checksum: {algorithm} "
        f"{expected[:12]}... expected, {got[:12]}... got; it was deleted, the next load fetches it anew",
        metadata={"file": file.path, "expected": expected, "got": got},
    )


def _place(source: Path, target: Path) -> None:
    """Links a file into place, or copies it where the file system cannot link."""
    staged = staging_name(target)
    try:
        try:
            os.link(source, staged)
        except OSError:
            shutil.copyfile(source, staged)
        os.replace(staged, target)
    finally:
        # Renaming one link of a file onto another of the same file leaves both.
        staged.unlink(missing_ok=True)
