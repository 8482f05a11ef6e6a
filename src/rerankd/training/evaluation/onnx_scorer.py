"""A model as the server would serve it, offline: same loader, same checks, same arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from rerankd.artifacts.directory import DirectoryModel
from rerankd.artifacts.layout import Wish
from rerankd.backends.base import EncodeOptions
from rerankd.backends.onnx import OnnxSettings, load

if TYPE_CHECKING:
    from rerankd.artifacts.files import ModelFiles
    from rerankd.backends.base import Backend

_USUAL_BATCH_TOKENS = 512


class OnnxScorer:
    """Scores texts for a query, blocking; for one thread at a time.

    Attributes:
        precision: What the model computes in, as Status would say.
    """

    def __init__(
        self, files: ModelFiles, *, max_tokens: int = 0, settings: OnnxSettings | None = None
    ) -> None:
        """Loads the model with all checks of serving, golden pairs included.

        Args:
            files: As a `ModelSource` finds them.
            max_tokens: Longest pair; 0 = what the model reads.
            settings: How to run it; None = as a server would that is not told.

        Raises:
            ModelFailedError: It could not be served either.
        """
        wanted = replace(settings or OnnxSettings(), max_tokens=max_tokens)
        self._backend: Backend = load(files, wanted, lambda *_: None)
        description = self._backend.description
        self._batch_tokens = description.batch_tokens or _USUAL_BATCH_TOKENS
        self.precision = description.precision
        self._name = f"{files.id}@{files.revision}"

    @classmethod
    def of_directory(
        cls,
        directory: Path,
        *,
        name: str = "",
        precision: str = "auto",
        max_tokens: int = 0,
        settings: OnnxSettings | None = None,
    ) -> OnnxScorer:
        """The model in a directory with the layout of a Hub repository.

        `precision`: which graph of it, as the setting `models.precision`; `name` is for reports.
        """
        wish = Wish(precision=precision, strict=precision != "auto")
        model = DirectoryModel(id=name or directory.resolve().name, directory=directory, wish=wish)
        return cls(model.load(), max_tokens=max_tokens, settings=settings)

    @property
    def name(self) -> str:
        """Id and revision."""
        return self._name

    def score(self, query: str, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """Logits, one for each text.

        Raises:
            InvalidRequestError: The query leaves a document no room.
        """
        encoded = self._backend.encode_query(query)
        pairs = [windows[0] for windows in self._backend.encode_documents(encoded, texts, EncodeOptions())]
        scores = np.zeros(len(pairs))
        for batch in _batches([pair.tokens for pair in pairs], self._batch_tokens):
            scores[batch] = self._backend.score([pairs[number] for number in batch], 0)
        return scores

    def close(self) -> None:
        """Frees the model."""
        self._backend.close()


def _batches(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Numbers of pairs by length, as many in a batch as fit into the budget with their padding."""
    made: list[list[int]] = []
    for number in sorted(range(len(lengths)), key=lengths.__getitem__):
        if not made or (len(made[-1]) + 1) * lengths[number] > budget:
            made.append([])
        made[-1].append(number)
    return made
