"""What a run fine-tunes: a directory, or a repository of the Hub at a revision."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rerankd.artifacts.directory import DirectoryModel
from rerankd.training.layout import Layout

if TYPE_CHECKING:
    from rerankd.artifacts.store import ArtifactStore

MODEL = "model"
"""Folder of a run with the weights that it ended with, as transformers reads them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseModel:
    """A model to start from."""

    name: str
    """As the settings name it."""
    revision: str
    """Commit or digest, for the model card; empty = the Hub's main branch."""
    directory: str = ""
    """Where its files are: HF weights, or one of our ONNX directories."""
    repository: str = ""
    """Hub repository, where there is no directory."""


def base_of_store(store: ArtifactStore, name: str) -> BaseModel:
    """The model behind a name that requests may use: `default`, a preset, a local name or a Hub id.

    Reads the files of a directory to tell its revision; asks no network.

    Raises:
        ModelNotFoundError: It is no name of a model, or may not be used here.
        ModelFailedError: The directory holds no model.
    """
    model_id = store.canonical("" if name == "default" else name)
    place = store.place(model_id)
    if isinstance(place, DirectoryModel):
        revision = place.load().revision
        return BaseModel(name=model_id, revision=revision, directory=str(place.directory.absolute()))
    return BaseModel(name=model_id, revision=place.revision, repository=place.repository)


def trainable(layout: Layout, base: BaseModel) -> BaseModel:
    """The same model, from the weights of the run that exported it, where that run is still here.

    What serves is a graph, and weights cannot be read back from every graph.
    """
    for path in sorted(layout.run("").glob("*/export/parity.json")):
        weights = path.parents[1] / MODEL
        if base.revision in _revisions(path) and (weights / "config.json").is_file():
            return replace(base, directory=str(weights.absolute()))
    return base


def _revisions(parity: Path) -> set[str]:
    try:
        return {str(model["revision"]) for model in json.loads(parity.read_bytes())["models"]}
    except (OSError, ValueError, KeyError, TypeError):
        return set()
