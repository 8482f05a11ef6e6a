"""Metrics of rankings by ir-measures, which computes them as trec_eval does.

nDCG takes the grade itself as the gain (linear, as trec_eval and BEIR do), not 2^grade - 1. A document is
relevant if its grade is above 0. The ideal ranking and the total of Recall know every judged document,
also those that the first stage missed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

_GRADE_STEPS = 1000
"""trec_eval reads whole grades. Ratings in between keep three digits; a common factor changes no metric."""


def metric_names(cutoffs: Sequence[int]) -> tuple[str, ...]:
    """`ndcg@k`, `mrr@k` and `recall@k` for each k, and `map` over all candidates."""
    ks = sorted(set(cutoffs))
    return (*(f"{kind}@{k}" for kind in ("ndcg", "mrr", "recall") for k in ks), "map")


def metrics_of(
    names: Sequence[str], judgments: Sequence[Mapping[str, float]], rankings: Sequence[Sequence[str]]
) -> dict[str, Values]:
    """The value of each metric for each query.

    Args:
        names: As `metric_names` gives them.
        judgments: Document -> grade, for each query.
        rankings: Ids of documents, best first, for each query. Empty = nothing was found.
    """
    import ir_measures

    measures = {name: ir_measures.parse_measure(_measure(name)) for name in names}
    qrels = {str(number): _whole(grades) for number, grades in enumerate(judgments)}
    # Every rank has a score of its own: trec_eval orders equal scores by document id.
    run = {
        str(number): {document: float(len(ranking) - rank) for rank, document in enumerate(ranking)}
        for number, ranking in enumerate(rankings)
    }
    values = {name: np.zeros(len(rankings)) for name in names}
    names_of = {str(measure): name for name, measure in measures.items()}
    for found in ir_measures.iter_calc(list(measures.values()), qrels, run):
        values[names_of[str(found.measure)]][int(found.query_id)] = found.value
    return values


def _measure(name: str) -> str:
    kind, _, k = name.partition("@")
    symbol = {"ndcg": "nDCG", "mrr": "RR", "recall": "R", "map": "AP"}[kind]
    return f"{symbol}@{k}" if k else symbol


def _whole(grades: Mapping[str, float]) -> dict[str, int]:
    clipped = {document: max(0.0, grade) for document, grade in grades.items()}
    if _all_whole(clipped.values()):
        return {document: int(grade) for document, grade in clipped.items()}
    return {
        document: max(1, round(grade * _GRADE_STEPS)) if grade > 0 else 0
        for document, grade in clipped.items()
    }


def _all_whole(grades: Iterable[float]) -> bool:
    return all(float(grade).is_integer() for grade in grades)
