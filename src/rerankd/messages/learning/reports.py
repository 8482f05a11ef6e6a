"""Evaluations, and models that serve because of them."""

from __future__ import annotations

from collections.abc import Mapping

from rerankd.core.shadowing import ShadowReport
from rerankd.messages.convert import duration_from
from rerankd.messages.learning.corpora import pb_split
from rerankd.messages.learning.feedback import statistics_from
from rerankd.messages.learning.runs import run_from
from rerankd.training.evaluation import Estimate, EvaluationReport, Gain, System, changes
from rerankd.training.evaluation.changes import QueryChange
from rerankd.training.promotion import Current
from rerankd.training.promotion.learned_models import PREFIX
from rerankd.training.service import Learning, Promoted
from rerankd.training.v1alpha import training_service_pb2 as pb

_MOST_CHANGES = 20


def report_from(report: EvaluationReport) -> pb.EvaluateResponse:
    """A report, without the values of single queries but for those that changed most."""
    response = pb.EvaluateResponse(
        corpus_id=report.corpus_id,
        split=pb_split(report.split),
        queries=len(report.queries),
        skipped_queries=report.skipped_queries,
        candidates=report.depth,
        confidence=report.confidence,
        systems=[_system(system) for system in report.systems],
        duration=duration_from(report.seconds),
    )
    last = [system for system in report.systems if system.scorer and not system.original_score_weight][-1]
    metric = next(name for name in last.values if name.startswith("ndcg@"))
    found = changes(report, last.name, metric=metric, count=_MOST_CHANGES)
    response.most_improved.extend(_change(change) for change in found.improved)
    response.most_harmed.extend(_change(change) for change in found.harmed)
    return response


def promoted_from(promoted: Promoted) -> pb.PromoteTrainingRunResponse:
    """What a promotion came to."""
    weighed = promoted.weighed
    return pb.PromoteTrainingRunResponse(
        model=served_from(weighed.run.corpus_id, promoted.current),
        gain=_gain(weighed.gain),
        findings=[condition.message for condition in weighed.decision.conditions],
    )


def served_from(corpus_id: str, current: Current) -> pb.ServedModel:
    """What serves for a corpus."""
    kept = dict.fromkeys(promotion.revision for promotion in reversed(current.history))
    return pb.ServedModel(
        model=f"{PREFIX}{corpus_id}",
        revision=current.revision,
        run_id=current.history[-1].run_id if current.history else "",
        kept_revisions=list(kept),
    )


def shadow_from(report: ShadowReport | None) -> pb.ShadowReport | None:
    """What a shadow has seen."""
    if report is None:
        return None
    return pb.ShadowReport(
        model=report.model_id,
        serving_revision=report.serving,
        candidate_revision=report.candidate,
        state=report.state.value,
        requests=report.requests,
        wanted_requests=report.wanted,
        documents=report.documents,
        dropped_requests=report.dropped,
        failed_requests=report.failed,
        top10_overlap=report.top10_overlap,
        mean_drift=report.mean_drift,
        max_drift=report.max_drift,
        rank_correlation=report.rank_correlation,
    )


def _system(system: System) -> pb.RankingSystem:
    return pb.RankingSystem(
        name=system.name,
        model=system.scorer,
        original_score_weight=system.original_score_weight,
        metrics={name: _estimate(estimate) for name, estimate in system.metrics.items()},
        gains={other: _gains(gains) for other, gains in system.gains.items()},
        refused_queries=system.refused_queries,
    )


def _gains(gains: Mapping[str, Gain]) -> pb.Gains:
    return pb.Gains(metrics={name: _gain(gain) for name, gain in gains.items()})


def _estimate(estimate: Estimate) -> pb.Estimate:
    return pb.Estimate(mean=estimate.mean, low=estimate.low, high=estimate.high)


def _gain(gain: Gain) -> pb.Gain:
    return pb.Gain(
        mean=gain.mean,
        low=gain.low,
        high=gain.high,
        p_value=gain.p_value,
        wins=gain.wins,
        losses=gain.losses,
        ties=gain.ties,
    )


def _change(change: QueryChange) -> pb.QueryChange:
    return pb.QueryChange(query_id=change.id, query=change.text, before=change.before, after=change.after)


async def status_of(learning: Learning, *, with_feedback: bool = False) -> pb.GetLearningStatusResponse:
    """What the learning reranker has; `with_feedback` reads the whole log."""
    response = pb.GetLearningStatusResponse(
        corpus_ids=await learning.corpora(),
        active_runs=[run_from(info) for info in await learning.active_runs()],
        models=[served_from(corpus_id, current) for corpus_id, current in (await learning.served()).items()],
        lost_rankings=learning.shown.lost,
    )
    if with_feedback:
        response.feedback.CopyFrom(statistics_from(await learning.feedback()))
    return response
