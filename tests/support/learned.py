"""Learned models for tests: tiny real ones, in a store, whose backends tell when they are freed."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from rerankd.artifacts.files import ModelFiles
from rerankd.backends.base import AnyBackend, EncodedPair, Float32Array, ProgressReporter
from rerankd.backends.onnx import OnnxBackend, OnnxSettings, Provider, load
from rerankd.config.training import PromotionConfig
from rerankd.training.evaluation import Gain
from rerankd.training.layout import Layout
from rerankd.training.promotion import Decision, Evidence, LearnedModels, RevisionStore, decide
from support.onnx_models import build_model

CORPUS = "shop"
MODEL = f"learning/{CORPUS}"
SETTINGS = OnnxSettings(provider=Provider.CPU, threads=1, batch_tokens=256)


class Opener:
    """Opens models as a server does, and keeps track of them by revision."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.freed: dict[str, threading.Event] = {}
        self.scored_after_end: list[str] = []
        self.opened: list[str] = []

    def __call__(self, files: ModelFiles, report: ProgressReporter) -> AnyBackend:
        if self.failure is not None:
            raise self.failure
        backend = load(files, SETTINGS, report)
        self.opened.append(files.revision)
        self.freed[files.revision] = threading.Event()
        return self._watched(backend, files.revision)

    def _watched(self, backend: OnnxBackend, revision: str) -> AnyBackend:
        ended, close, score = self.freed[revision], backend.close, backend.score

        def watched_close() -> None:
            ended.set()
            close()

        def watched_score(pairs: Sequence[EncodedPair], lane: int) -> Float32Array:
            if ended.is_set():
                self.scored_after_end.append(revision)
            return score(pairs, lane)

        backend.close = watched_close  # type: ignore[method-assign]
        backend.score = watched_score  # type: ignore[method-assign]
        return backend


def learned_models(root: Path, *, kept_revisions: int = 5) -> tuple[LearnedModels, Opener]:
    """A store without models, as a source of models."""
    opener = Opener()
    return LearnedModels(RevisionStore(Layout(root), kept_revisions=kept_revisions), opener), opener


def tiny(directory: Path, seed: int) -> Path:
    """A servable directory; each seed is another model."""
    return build_model(directory / f"seed-{seed}", seed=seed, layout="root")


def decision(low: float, *, queries: int = 100, load_error: str = "", **config: object) -> Decision:
    """What the gate says of a gain with this lower bound."""
    gain = Gain(mean=low + 0.02, low=low, high=low + 0.04, p_value=0.01, wins=9, losses=3, ties=0)
    evidence = Evidence(
        candidate="run-1",
        in_use="default",
        metric="ndcg@10",
        queries=queries,
        gain=gain,
        load_error=load_error,
    )
    return decide(evidence, PromotionConfig.model_validate(config))
