"""From the section `training` of a configuration to the learning reranker."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from rerankd.config.training import TrainingConfig
from rerankd.training.corpora import CorpusStore
from rerankd.training.layout import Layout
from rerankd.training.promotion import LearnedModels, Promoter
from rerankd.training.promotion.promoter import Swapping
from rerankd.training.runs import RunManager
from rerankd.training.scorers import LocalFiles, Scorers
from rerankd.training.service import Learning, Rooms

if TYPE_CHECKING:
    from rerankd.backends.onnx import OnnxSettings

_PACKAGES = ("torch", "sentence_transformers", "bm25s", "ir_measures", "mlflow", "matplotlib", "pyarrow")
"""Of the extra; each is imported where it is needed, but its absence is told at the start."""


class ExtraMissingError(Exception):
    """A package of the extra `train` is not installed; one sentence for the operator."""


def open_learning(
    config: TrainingConfig,
    *,
    models: LearnedModels,
    local_files: LocalFiles,
    settings: OnnxSettings,
    learned_settings: OnnxSettings,
    registry: Swapping | None = None,
    default_model: str = "",
) -> Learning:
    """The learning reranker; touches no disk yet.

    Args:
        config: The section.
        models: The models that were promoted.
        local_files: Finds the files of local models.
        settings: How local models compute here.
        learned_settings: How trained models compute here.
        registry: What serves; None = nothing does in this process.
        default_model: Id of the model that it serves where a request names none.

    Raises:
        ExtraMissingError: The extra `train` is not installed.
    """
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise ExtraMissingError(
            f"the learning reranker needs {', '.join(missing)}: pip install 'rerankd[train]'"
        )
    layout = Layout(config.directory)
    scorers = Scorers(
        layout=layout,
        revisions=models.store,
        local_files=local_files,
        settings=settings,
        learned_settings=learned_settings,
        precision=config.promotion.precision,
    )
    runs = RunManager(
        layout,
        find_base=scorers.base,
        tracking_uri=config.tracking_uri,
        min_triplets=config.mining.min_triplets,
    )
    rooms = Rooms(
        layout=layout,
        corpora=CorpusStore(layout),
        runs=runs,
        revisions=models.store,
        promoter=Promoter(models, registry),
        scorers=scorers,
        default_model=default_model,
    )
    return Learning(rooms, config)
