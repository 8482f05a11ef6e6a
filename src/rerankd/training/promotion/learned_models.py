"""Learned models as a source of models: `learning/<corpus>` is what was promoted for that corpus."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rerankd.artifacts.directory import DirectoryModel
from rerankd.core.errors import ModelFailedError, ModelNotFoundError
from rerankd.core.types import WarmupStage
from rerankd.training.promotion.revisions import CORPUS_ID, RevisionStore

if TYPE_CHECKING:
    from rerankd.artifacts.files import ModelFiles
    from rerankd.backends.base import AnyBackend, ProgressReporter

OpenModel = Callable[["ModelFiles", "ProgressReporter"], "AnyBackend"]
"""How the server runs a model's files: the loader of local models with the server's settings."""

PREFIX = "learning/"


class LearnedModels:
    """A `ModelSource` over a `RevisionStore`.

    Attributes:
        store: The revisions.
    """

    def __init__(self, store: RevisionStore, open_model: OpenModel) -> None:
        """`open_model` proves the model too: contract, scores, golden pairs."""
        self.store = store
        self._open = open_model

    def find(self, name: str) -> str | None:
        """The name itself; None for a name of another source.

        A name costs one look whether a small file exists: promotions of other processes count at once.

        Raises:
            ModelNotFoundError: Nothing was promoted for that corpus.
        """
        if not name.startswith(PREFIX):
            return None
        corpus_id = name.removeprefix(PREFIX)
        if not CORPUS_ID.fullmatch(corpus_id) or not self.store.has(corpus_id):
            raise ModelNotFoundError(
                f"no model was promoted for corpus {corpus_id!r}; train and promote one first",
                metadata={"model": name},
            )
        return name

    def aliases_of(self, model_id: str) -> tuple[str, ...]:
        """None: a learned model has one name."""
        return ()

    def names(self) -> Sequence[str]:
        """Models that were promoted."""
        return [PREFIX + corpus_id for corpus_id in self.store.corpora()]

    def load(self, model_id: str, report: ProgressReporter) -> AnyBackend:
        """The revision in use.

        Raises:
            ModelNotFoundError: Nothing was promoted.
            ModelFailedError: The revision is damaged, or cannot be served.
        """
        current = self.store.current(model_id.removeprefix(PREFIX))
        if current is None:
            raise ModelNotFoundError(f"{model_id} was not promoted", metadata={"model": model_id})
        return self.load_revision(model_id, current.revision, report)

    def load_revision(self, model_id: str, revision: str, report: ProgressReporter) -> AnyBackend:
        """A certain revision; raises as `load`."""
        report(WarmupStage.RESOLVE, 1.0, f"revision {revision}")
        directory = self.store.directory(model_id.removeprefix(PREFIX), revision)
        files = DirectoryModel(id=model_id, directory=directory).load()
        if files.revision != revision:
            raise ModelFailedError(
                f"revision {revision} of {model_id} holds {files.revision}: its files were changed; "
                "roll back, or promote again",
                metadata={"model": model_id, "expected": revision, "got": files.revision},
            )
        return self._open(files, report)

    def load_directory(self, model_id: str, directory: Path, report: ProgressReporter) -> AnyBackend:
        """A model that is no revision yet, as it would serve under an id; raises as `load`."""
        return self._open(DirectoryModel(id=model_id, directory=directory).load(), report)
