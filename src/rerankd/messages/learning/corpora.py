"""Corpora and what is mined from them."""

from __future__ import annotations

from rerankd.messages.convert import duration_from
from rerankd.messages.learning.settings import number_of
from rerankd.training.corpora import CorpusProfile, ImportReport
from rerankd.training.mining import MiningStatistics
from rerankd.training.v1alpha import settings_pb2
from rerankd.training.v1alpha import training_service_pb2 as pb

SPLIT = settings_pb2.Split.DESCRIPTOR
METRIC = settings_pb2.Metric.DESCRIPTOR


def imported(report: ImportReport) -> pb.ImportReport:
    """What a new corpus holds."""
    return pb.ImportReport(
        documents=report.documents,
        queries=report.queries,
        judgments=report.judgments,
        dropped=report.dropped,
    )


def corpus_from(profile: CorpusProfile) -> pb.Corpus:
    """A corpus in numbers."""
    return pb.Corpus(
        id=profile.id,
        digest=profile.digest,
        documents=profile.documents,
        queries=profile.queries,
        splits=[
            pb.SplitProfile(
                split=pb_split(split.name),
                derived=split.derived,
                queries=split.queries,
                judgments=split.judgments,
                positives=split.positives,
            )
            for split in profile.splits
        ],
        label_kind=profile.label_kind,
        average_positives=profile.average_positives,
        p95_positives=profile.p95_positives,
        recommended_metric=settings_pb2.Metric.ValueType(number_of(METRIC, profile.recommended_metric)),
        recommended_k=profile.recommended_k,
        rationale=profile.rationale,
    )


def mined(statistics: MiningStatistics) -> pb.MiningStatistics:
    """What mining made."""
    return pb.MiningStatistics(
        queries=statistics.queries,
        pairs=statistics.pairs,
        triplets=statistics.triplets,
        groups=statistics.groups,
        kept_groups=statistics.kept_groups,
        negatives=statistics.negatives,
        dropped=statistics.dropped,
        no_hit_queries=statistics.no_hit_queries,
        scorer=statistics.scorer,
        corpus_digest=statistics.corpus_digest,
        duration=duration_from(statistics.seconds),
    )


def pb_split(name: str) -> settings_pb2.Split.ValueType:
    """A split by its word."""
    return settings_pb2.Split.ValueType(number_of(SPLIT, name))
