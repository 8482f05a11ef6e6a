"""Judges models: the candidates of a first stage, ranked before and after, metric by metric."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rerankd.config.training import EvaluationConfig
from rerankd.core.errors import InvalidRequestError, ModelFailedError
from rerankd.core.ranking import final_ranking, sigmoid
from rerankd.core.types import Options, Result
from rerankd.training.evaluation.judged import JudgedCorpus, JudgedQueries, JudgedQuery, judged_queries
from rerankd.training.evaluation.measures import metric_names, metrics_of
from rerankd.training.evaluation.report import EvaluatedQuery, EvaluationReport
from rerankd.training.evaluation.systems import Ranked, systems_of
from rerankd.training.types import Scorer

Progress = Callable[[str, int, int], None]
"""Told of the scorer, of how many queries it has scored, and of how many there are. What it raises ends the
evaluation: that is how one is cancelled."""

Logits = npt.NDArray[np.float64]

ALONE_AND_BLENDED = (0.0, 0.5)
"""The model alone, and `original_score_weight` 0.5: the order of the sum of both z-scores."""


def evaluate(
    corpus: JudgedCorpus,
    split: str,
    scorers: Sequence[Scorer],
    config: EvaluationConfig,
    *,
    blend_weights: Sequence[float] = ALONE_AND_BLENDED,
    progress: Progress | None = None,
) -> EvaluationReport:
    """Judges scorers on the queries of a split; blocks for as long as scoring takes.

    Args:
        corpus: Documents, queries, judgments and a first stage.
        split: Which judgments.
        scorers: The first one is what the others are compared with, beside the first stage.
        config: Depth, cut-offs, sample, intervals.
        blend_weights: A system is made of each scorer with each `original_score_weight`.
        progress: Hears how far it is.

    Raises:
        InvalidRequestError: The split has nothing to evaluate, or two scorers have the same name.
        ModelFailedError: A scorer gave a score that is not finite.
    """
    found = judged_queries(
        corpus, split, depth=config.candidates, max_queries=config.max_queries, seed=config.seed
    )
    about = About(corpus_id=corpus.id, split=split, first_stage=corpus.first_stage().name)
    return evaluate_queries(found, about, scorers, config, blend_weights=blend_weights, progress=progress)


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """Where judged queries are from."""

    corpus_id: str
    split: str
    first_stage: str = "bm25"


def evaluate_queries(
    judged: JudgedQueries,
    about: About,
    scorers: Sequence[Scorer],
    config: EvaluationConfig,
    *,
    blend_weights: Sequence[float] = ALONE_AND_BLENDED,
    progress: Progress | None = None,
) -> EvaluationReport:
    """As `evaluate`, for queries whose candidates are known already."""
    started = time.monotonic()
    names = [about.first_stage, *(scorer.name for scorer in scorers)]
    if len(set(names)) < len(names):
        raise InvalidRequestError(f"two of {', '.join(names)} have the same name", field="scorers")
    queries = judged.queries
    rankings = [Ranked(name=about.first_stage, rankings=[query.document_ids for query in queries])]
    for scorer in scorers:
        rankings += _rank(scorer, queries, blend_weights, about.first_stage, progress)
    metrics = metric_names(config.cutoffs)
    judgments = [query.judgments for query in queries]
    values = [metrics_of(metrics, judgments, ranked.rankings) for ranked in rankings]
    return EvaluationReport(
        corpus_id=about.corpus_id,
        split=about.split,
        first_stage=about.first_stage,
        depth=config.candidates,
        max_tokens=config.max_tokens,
        confidence=config.confidence,
        bootstrap_samples=config.bootstrap_samples,
        permutations=config.permutations,
        seed=config.seed,
        queries=tuple(
            EvaluatedQuery(
                id=query.id, text=query.query, candidates=len(query.document_ids), relevant=query.relevant
            )
            for query in queries
        ),
        skipped_queries=judged.skipped,
        systems=systems_of(rankings, values, config),
        seconds=time.monotonic() - started,
    )


def served_order(query: JudgedQuery, logits: Logits, original_score_weight: float) -> list[str]:
    """Ids of the candidates as the server would rank them: its own blend, its own ties."""
    results = (
        Result(index=index, score=sigmoid(logit), logit=logit, original_score=original)
        for index, (logit, original) in enumerate(zip(logits.tolist(), query.first_stage, strict=True))
    )
    options = Options(original_score_weight=original_score_weight)
    return [query.document_ids[result.index] for result in final_ranking(results, options)]


def _rank(
    scorer: Scorer,
    queries: Sequence[JudgedQuery],
    weights: Sequence[float],
    first_stage: str,
    progress: Progress | None,
) -> list[Ranked]:
    """The rankings of one scorer, one for each weight; each pair is scored once."""
    scored: list[Logits | None] = []
    for done, query in enumerate(queries):
        if progress is not None:
            progress(scorer.name, done, len(queries))
        scored.append(_logits(scorer, query))
    if progress is not None:
        progress(scorer.name, len(queries), len(queries))
    refused = sum(logits is None for logits in scored)
    return [
        Ranked(
            name=_system_name(scorer.name, first_stage, weight),
            scorer=scorer.name,
            original_score_weight=weight,
            refused=refused,
            rankings=[
                query.document_ids if logits is None else served_order(query, logits, weight)
                for query, logits in zip(queries, scored, strict=True)
            ],
        )
        for weight in weights
    ]


def _logits(scorer: Scorer, query: JudgedQuery) -> Logits | None:
    """Logits of a query's candidates; None where the model cannot read the query."""
    if not query.texts:
        return np.zeros(0)
    try:
        logits = scorer.score(query.query, query.texts)
    except InvalidRequestError:
        return None
    if not np.isfinite(logits).all():
        raise ModelFailedError(f"{scorer.name} gives a score that is not finite for query {query.id}")
    return logits


def _system_name(scorer: str, first_stage: str, weight: float) -> str:
    return f"{scorer} + {first_stage} ({weight:g})" if weight else scorer
