"""What a run has done so far, kept beside its results, so that the next one goes on from there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import rerankd
from rerankd.batch.files import Folder, InputFile
from rerankd.batch.formats import Piece
from rerankd.batch.job import BatchError, Job, digest_of

NOTES = "_rerankd"
"""Folder of the notes; readers of datasets pass over names that begin with an underscore."""
_PLAN = "run.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartDone:
    """A part whose results are in place."""

    number: int
    queries: int
    documents: int
    errors: int
    models: tuple[str, ...]
    """At most one, named with its revision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Pieces of the dataset that are done, and after a crash done again, as a whole."""

    number: int
    pieces: tuple[Piece, ...]

    @property
    def name(self) -> str:
        """Name of its results, without suffix."""
        return f"part-{self.number:06d}"


class Checkpoint:
    """The notes of one output folder. A part is done once its note is there, which is written last."""

    def __init__(self, output: str) -> None:
        self._notes = Folder(output).within(NOTES)

    def begin(self, job: Job, files: Sequence[InputFile], *, restart: bool) -> None:
        """Makes the folder this run's, or sees that it is already.

        Raises:
            BatchError: It holds the results of another run.
        """
        plan = {
            **job.fingerprint(),
            "inputs": digest_of([f"{file.uri} {file.size} {file.modified}" for file in files]),
            "version": rerankd.__version__,
        }
        found = self._notes.read(_PLAN)
        if found is not None and restart:
            Folder(job.output).remove()
            found = None
        if found is None:
            self._refuse_strangers(job)
            self._notes.write(_PLAN, json.dumps(plan, indent=1).encode())
            return
        earlier = json.loads(found)
        changed = [name for name, value in plan.items() if earlier.get(name) != value]
        if changed:
            raise BatchError(
                f"{job.output} holds the results of a run with other {', '.join(changed)}: "
                "choose another folder, or --restart to remove them"
            )

    def done(self) -> dict[int, PartDone]:
        """The parts that are done, by number."""
        return {part.number: part for part in map(self._read, self._notes.names(".json")) if part is not None}

    def finish(self, part: Part, done: PartDone) -> None:
        """Notes that a part's results are in place."""
        self._notes.write(f"{part.name}.json", json.dumps(asdict(done)).encode())

    def _read(self, name: str) -> PartDone | None:
        content = self._notes.read(name) if name.startswith("part-") else None
        if content is None:
            return None
        fields = json.loads(content)
        return PartDone(**{**fields, "models": tuple(fields["models"])})

    def _refuse_strangers(self, job: Job) -> None:
        names = Folder(job.output).names("")
        if names:
            raise BatchError(f"{job.output} is not empty and no run of rerankd made it ({names[0]})")


def parts_of(pieces: Iterable[Piece], block_bytes: int) -> list[Part]:
    """The pieces in parts of about that size: many small files do not make many small parts."""
    parts: list[Part] = []
    gathered: list[Piece] = []
    size = 0
    for piece in pieces:
        if gathered and size + piece.size > block_bytes:
            parts.append(Part(number=len(parts), pieces=tuple(gathered)))
            gathered, size = [], 0
        gathered.append(piece)
        size += piece.size
    if gathered:
        parts.append(Part(number=len(parts), pieces=tuple(gathered)))
    return parts


def model_of(parts: Sequence[PartDone]) -> str:
    """The model whose scores are there; empty where there are none.

    Raises:
        BatchError: There are scores of several models.
    """
    models = sorted({model for part in parts for model in part.models})
    if len(models) > 1:
        raise BatchError(f"results of several models in one folder: {', '.join(models)}")
    return models[0] if models else ""
