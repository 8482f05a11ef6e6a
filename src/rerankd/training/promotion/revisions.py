"""Revisions of learned models on disk: immutable directories, and a pointer to the one in use."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rerankd.artifacts.directory import DirectoryModel
from rerankd.core.errors import InternalError, PromotionRefusedError
from rerankd.training.durable import locked_file
from rerankd.training.layout import Layout
from rerankd.training.placing import copy_directory, write_bytes

CORPUS_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_KEPT_RECORDS = 100
"""Lines of history in current.json: enough for years, and the file stays small."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """A revision that was made the one in use."""

    revision: str
    time: float
    """Seconds since the epoch."""
    run_id: str = ""
    """Run that trained it."""
    note: str = ""
    """Why it serves although the gate was against it; empty = the gate was for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Current:
    """Which revision of a learned model is in use, and how that came about."""

    revision: str
    history: tuple[Promotion, ...]
    """Oldest first; the last one is in use. A rollback takes the last one away."""
    rolled_back: tuple[Promotion, ...] = ()
    """What was taken away, oldest first."""

    @property
    def previous(self) -> Promotion | None:
        """Where a rollback leads."""
        return self.history[-2] if len(self.history) > 1 else None


class RevisionStore:
    """Revisions of the learned models of one layout. Blocking; threads and processes may share it."""

    def __init__(self, layout: Layout, *, kept_revisions: int) -> None:
        """`kept_revisions`: how many stay for a rollback, the one in use included."""
        self._layout = layout
        self._kept = kept_revisions

    def add(self, corpus_id: str, directory: Path) -> str:
        """Copies a servable directory; gives its revision, a digest of what it holds.

        Raises:
            ModelFailedError: It holds no model.
        """
        revision = DirectoryModel(id=f"learning/{corpus_id}", directory=directory).load().revision
        files = [path for path in directory.rglob("*") if path.is_file() and not path.is_symlink()]
        names = [str(path.relative_to(directory)) for path in files]
        with self._locked(corpus_id):
            copy_directory(directory, names, self.directory(corpus_id, revision))
        return revision

    def directory(self, corpus_id: str, revision: str) -> Path:
        """Where a revision is, or would be."""
        # A colon means something in the paths of other systems.
        return self._layout.model(corpus_id) / "revisions" / revision.replace(":", "-")

    def corpora(self) -> list[str]:
        """Corpora that a model was promoted for."""
        models = self._layout.model("any").parent
        return sorted(path.parent.name for path in models.glob("*/current.json"))

    def has(self, corpus_id: str) -> bool:
        """Whether a model was promoted for the corpus."""
        return self._pointer(corpus_id).is_file()

    def current(self, corpus_id: str) -> Current | None:
        """What is in use; None if nothing was ever promoted.

        Raises:
            InternalError: The pointer is damaged.
        """
        try:
            value = json.loads(self._pointer(corpus_id).read_bytes())
            return Current(
                revision=value["revision"],
                history=tuple(Promotion(**row) for row in value["history"]),
                rolled_back=tuple(Promotion(**row) for row in value.get("rolled_back", ())),
            )
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise InternalError(
                f"current.json of learning/{corpus_id} is damaged; restore it from a copy",
                metadata={"corpus": corpus_id},
            ) from error

    def point(self, corpus_id: str, promotion: Promotion) -> Current:
        """Makes a revision the one in use; one that is in use already stays, without a new line."""
        with self._locked(corpus_id):
            now = self.current(corpus_id) or Current(revision="", history=())
            if now.revision == promotion.revision:
                return now
            history = (*now.history, promotion)[-_KEPT_RECORDS:]
            return self._write(corpus_id, replace(now, revision=promotion.revision, history=history))

    def previous(self, corpus_id: str) -> Promotion:
        """Where a rollback would lead.

        Raises:
            PromotionRefusedError: There is no earlier revision, or it is not kept any more.
        """
        now = self.current(corpus_id)
        if now is None or now.previous is None:
            raise PromotionRefusedError(
                f"learning/{corpus_id} has no earlier revision to go back to", metadata={"corpus": corpus_id}
            )
        if not self.directory(corpus_id, now.previous.revision).is_dir():
            raise PromotionRefusedError(
                f"revision {now.previous.revision} of learning/{corpus_id} is not kept any more; raise "
                "training.promotion.kept_revisions",
                metadata={"corpus": corpus_id, "revision": now.previous.revision},
            )
        return now.previous

    def step_back(self, corpus_id: str, *, from_revision: str) -> Current:
        """Makes the previous revision the one in use, if `from_revision` still is.

        Raises:
            PromotionRefusedError: Somebody else has promoted or rolled back meanwhile.
        """
        with self._locked(corpus_id):
            now = self.current(corpus_id)
            if now is None or now.revision != from_revision or now.previous is None:
                raise PromotionRefusedError(
                    f"learning/{corpus_id} was changed by somebody else meanwhile; look again",
                    metadata={"corpus": corpus_id},
                )
            *kept, last = now.history
            rolled_back = (*now.rolled_back, last)[-_KEPT_RECORDS:]
            back = Current(revision=kept[-1].revision, history=tuple(kept), rolled_back=rolled_back)
            return self._write(corpus_id, back)

    def prune(self, corpus_id: str, in_use: Collection[str] = ()) -> list[str]:
        """Deletes revisions beyond those kept; gives their directories' names.

        `in_use`: revisions that still answer requests, beside the one that the pointer names.
        """
        with self._locked(corpus_id):
            now = self.current(corpus_id)
            if now is None:
                return []
            latest = dict.fromkeys(promotion.revision for promotion in reversed(now.history))
            kept = {now.revision, *in_use, *list(latest)[: self._kept]}
            names = {self.directory(corpus_id, revision).name for revision in kept}
            folder = self._layout.model(corpus_id) / "revisions"
            # Among them copies that a killed process left half made: whoever copies holds the lock.
            doomed = [path for path in folder.iterdir() if path.name not in names]
            for path in doomed:
                shutil.rmtree(path)
            return sorted(path.name for path in doomed)

    def _pointer(self, corpus_id: str) -> Path:
        return self._layout.model(corpus_id) / "current.json"

    def _write(self, corpus_id: str, current: Current) -> Current:
        write_bytes(self._pointer(corpus_id), json.dumps(asdict(current), indent=1).encode() + b"\n")
        return current

    @contextmanager
    def _locked(self, corpus_id: str) -> Iterator[None]:
        """One change of a pointer at a time, whichever process makes it."""
        path = self._layout.model(corpus_id) / ".lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = locked_file(path)
        try:
            yield
        finally:
            os.close(descriptor)
