"""Judges models on a corpus, and weighs what a run made against the model in use."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rerankd.config.training import EvaluationConfig, TrainingConfig
from rerankd.core.errors import InvalidRequestError
from rerankd.training.corpora import CorpusStore
from rerankd.training.evaluation import EvaluationReport, Gain, evaluate, save
from rerankd.training.evaluation.evaluation import ALONE_AND_BLENDED
from rerankd.training.judging import CorpusToJudge
from rerankd.training.layout import Layout
from rerankd.training.promotion import Decision, decide, evidence_of
from rerankd.training.scorers import Scorers
from rerankd.training.types import RunInfo, RunStatus
from rerankd.training.work import Stopped, stop_here


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """What the gate has to say of a run, and on what ground."""

    run: RunInfo
    decision: Decision
    gain: Gain
    report: EvaluationReport
    directory: Path
    """What would serve."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Evaluates. Blocks for as long as scoring takes."""

    layout: Layout
    corpora: CorpusStore
    scorers: Scorers
    config: TrainingConfig

    def evaluate(
        self,
        corpus_id: str,
        models: Sequence[str],
        config: EvaluationConfig,
        stopped: Stopped,
        *,
        blend_weights: Sequence[float] = ALONE_AND_BLENDED,
    ) -> EvaluationReport:
        """A report on some models, kept with its page and pictures.

        Raises:
            CorpusNotFoundError: There is no such corpus.
            ModelNotFoundError: One of the models is none that runs here.
            InvalidRequestError: A run has no model, or the corpus nothing to judge by.
            CancelledError: `stopped` said so.
        """
        corpus = CorpusToJudge(self.corpora.get(corpus_id))
        names = list(dict.fromkeys(models)) or [self.scorers.in_use(corpus_id)]
        with self.scorers.opened(names, config.max_tokens) as scorers:
            report = evaluate(
                corpus,
                config.split,
                scorers,
                config,
                blend_weights=blend_weights,
                progress=lambda *_: stop_here(stopped),
            )
        stamp = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{secrets.token_hex(2)}"
        save(report, self.layout.evaluations(corpus_id) / stamp, metric=f"ndcg@{config.cutoffs[0]}")
        return report

    def page(self, corpus_id: str) -> bytes:
        """The page of the last evaluation of a corpus.

        Raises:
            CorpusNotFoundError: There is no such corpus.
            InvalidRequestError: It was never evaluated.
        """
        self.corpora.get(corpus_id)
        pages = sorted(self.layout.evaluations(corpus_id).glob("*/evaluation.html"))
        if not pages:
            raise InvalidRequestError(f"corpus {corpus_id} was not evaluated yet", field="corpus_id")
        return pages[-1].read_bytes()

    def weigh(self, run: RunInfo, stopped: Stopped) -> Weighed:
        """Judges the model of a run against the one in use, by the run's own metric.

        Raises:
            InvalidRequestError: The run is not completed, or the corpus has nothing to judge by.
        """
        if run.status is not RunStatus.COMPLETED:
            raise InvalidRequestError(
                f"run {run.id} is {run.status.value}; only a completed one can be promoted", field="run_id"
            )
        config = self.config.evaluation
        cutoffs = tuple(dict.fromkeys((*config.cutoffs, run.primary_k)))
        in_use = self.scorers.in_use(run.corpus_id)
        report = self.evaluate(
            run.corpus_id,
            [in_use, run.id],
            config.model_copy(update={"cutoffs": cutoffs}),
            stopped,
            blend_weights=(0.0,),
        )
        _, before, after = report.systems
        evidence = evidence_of(
            report,
            candidate=after.scorer,
            in_use=before.scorer,
            metric=f"{run.primary_metric}@{run.primary_k}",
            int8_loss=self._int8_loss(run.id),
        )
        return Weighed(
            run=run,
            decision=decide(evidence, self.config.promotion),
            gain=evidence.gain,
            report=report,
            directory=self.scorers.export_of(run.id).directory,
        )

    def _int8_loss(self, run_id: str) -> float | None:
        """nDCG@10 that int8 loses; None where nobody measured it."""
        try:
            parity = json.loads((self.layout.run(run_id) / "export" / "parity.json").read_bytes())["int8"]
            return float(parity["ndcg_before"]) - float(parity["ndcg_after"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
