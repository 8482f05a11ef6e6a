"""Models by the names that requests and callers use, opened to score offline."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rerankd.artifacts.directory import DirectoryModel
from rerankd.core.errors import InvalidRequestError, ModelNotFoundError
from rerankd.training.evaluation import OnnxScorer
from rerankd.training.layout import Layout
from rerankd.training.promotion import RevisionStore
from rerankd.training.promotion.learned_models import PREFIX
from rerankd.training.runs import BaseModel

if TYPE_CHECKING:
    from rerankd.artifacts.files import ModelFiles
    from rerankd.backends.onnx import OnnxSettings

RUN_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}-\d{8}T\d{6}-[0-9a-f]{4}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
"""Revision of a model of the Hub; what lies in a directory has a digest of another form."""

LocalFiles = Callable[[str], "ModelFiles"]
"""From a name that requests may use to a local model's files; raises ModelNotFoundError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorers:
    """Finds and opens models. Blocks."""

    layout: Layout
    revisions: RevisionStore
    local_files: LocalFiles
    settings: OnnxSettings
    """How local models compute."""
    learned_settings: OnnxSettings
    """How trained models compute."""
    precision: str
    """Export that serves: `fp32` or `int8`."""

    def in_use(self, corpus_id: str) -> str:
        """Name of the model that a corpus is served with; empty = the default model."""
        return f"{PREFIX}{corpus_id}" if self.revisions.has(corpus_id) else ""

    def export_of(self, run_id: str) -> DirectoryModel:
        """The model that a run made.

        Raises:
            InvalidRequestError: It made none, or not yet.
        """
        directory = self.layout.run(run_id) / "export" / self.precision
        if not directory.is_dir():
            raise InvalidRequestError(
                f"run {run_id} has no exported model; it has to be completed first", field="run_id"
            )
        return DirectoryModel(id=run_id, directory=directory)

    def files(self, name: str) -> ModelFiles:
        """The files of a model: of a run, learned, or any local one.

        Raises:
            ModelNotFoundError: There is none of this name that runs here.
        """
        if RUN_ID.fullmatch(name):
            return self.export_of(name).load()
        if not name.startswith(PREFIX):
            return self.local_files(name)
        corpus_id = name.removeprefix(PREFIX)
        current = self.revisions.current(corpus_id) if self.revisions.has(corpus_id) else None
        if current is None:
            raise ModelNotFoundError(f"{name} was not promoted", metadata={"model": name})
        return DirectoryModel(id=name, directory=self.revisions.directory(corpus_id, current.revision)).load()

    def base(self, name: str) -> BaseModel:
        """What a run starts from.

        Raises:
            ModelNotFoundError: There is none of this name, or requests may not use it here.
        """
        files = self.files(name)
        if _COMMIT.fullmatch(files.revision):
            # What was fetched to serve has no weights that can be trained.
            return BaseModel(name=name, revision=files.revision, repository=files.id)
        return BaseModel(name=name, revision=files.revision, directory=str(files.tokenizer.parent))

    @contextmanager
    def opened(self, names: Sequence[str], max_tokens: int) -> Iterator[list[OnnxScorer]]:
        """Scorers of several models, freed at the end."""
        with ExitStack() as stack:
            scorers = []
            for name in names:
                learned = name.startswith(PREFIX) or RUN_ID.fullmatch(name)
                settings = self.learned_settings if learned else self.settings
                scorer = OnnxScorer(self.files(name), max_tokens=max_tokens, settings=settings)
                stack.callback(scorer.close)
                scorers.append(scorer)
            yield scorers
