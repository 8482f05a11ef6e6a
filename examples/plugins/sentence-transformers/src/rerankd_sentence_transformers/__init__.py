"""A cross-encoder of sentence-transformers as a model of rerankd."""

from __future__ import annotations

import importlib.metadata
import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from sentence_transformers import CrossEncoder

MODEL_VARIABLE = "CROSS_ENCODER_MODEL"
"""Name or directory of the model, in the environment."""
DEFAULT_MODEL = "cross-encoder/ms-marco-MiniLM-L6-v2"


class CrossEncoderPlugin:
    """Scores with `CrossEncoder.predict`; its scores are the model's logits."""

    def __init__(self) -> None:
        self._model: CrossEncoder | None = None
        # Its tokenizer changes settings of its own during a call.
        self._one_at_a_time = threading.Lock()

    def name(self) -> str:
        """The name of the entry point."""
        return "sentence-transformers"

    def version(self) -> str:
        """The version of this package."""
        return importlib.metadata.version("rerankd-sentence-transformers")

    def initialize(self) -> None:
        """Loads the model, when it is first asked for. PyTorch is imported here and not before."""
        from sentence_transformers import CrossEncoder

        self._model = CrossEncoder(os.environ.get(MODEL_VARIABLE, DEFAULT_MODEL))

    def shutdown(self) -> None:
        """Frees the model."""
        self._model = None

    def rerank(self, query: str, documents: list[str]) -> np.ndarray:
        """One logit for each document. Not `async`: the server calls it in a thread of its own."""
        from torch.nn import Identity

        if self._model is None:
            raise RuntimeError("initialize comes first")
        with self._one_at_a_time:
            return self._model.predict(
                [(query, document) for document in documents],
                activation_fn=Identity(),
                show_progress_bar=False,
            )
