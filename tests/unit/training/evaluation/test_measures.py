"""Metrics against ranx, against formulas written out, and where documents are equally good."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rerankd.training.evaluation.evaluation import served_order
from rerankd.training.evaluation.judged import JudgedQuery
from rerankd.training.evaluation.measures import metric_names, metrics_of

NAMES = metric_names((1, 5, 10))


def by_hand(name: str, grades: Mapping[str, float], ranking: Sequence[str]) -> float:
    kind, _, cutoff = name.partition("@")
    k = int(cutoff) if cutoff else len(ranking)
    gains = [max(0.0, grades.get(document, 0.0)) for document in ranking]
    relevant = sum(grade > 0 for grade in grades.values())
    hits = [rank for rank, gain in enumerate(gains, start=1) if gain > 0]
    if kind == "mrr":
        return next((1 / rank for rank in hits if rank <= k), 0.0)
    if kind == "recall":
        return sum(rank <= k for rank in hits) / relevant if relevant else 0.0
    if kind == "map":
        return sum((n + 1) / rank for n, rank in enumerate(hits)) / relevant if relevant else 0.0
    ideal = dcg(sorted((max(0.0, grade) for grade in grades.values()), reverse=True)[:k])
    return dcg(gains[:k]) / ideal if ideal else 0.0


def dcg(gains: Sequence[float]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))


DOCUMENTS = [f"d{n}" for n in range(12)]
GRADES = st.dictionaries(st.sampled_from(DOCUMENTS), st.integers(-1, 4), min_size=1)
RANKINGS = st.lists(st.sampled_from(DOCUMENTS), unique=True)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(GRADES, RANKINGS), min_size=1, max_size=5))
def test_metrics_equal_their_formulas(queries: list[tuple[dict[str, int], list[str]]]) -> None:
    judgments = [grades for grades, _ in queries]
    rankings = [ranking for _, ranking in queries]
    found = metrics_of(NAMES, judgments, rankings)
    for name in NAMES:
        wanted = [by_hand(name, grades, ranking) for grades, ranking in queries]
        assert found[name] == pytest.approx(wanted, abs=1e-9), name


@pytest.mark.slow  # ranx compiles its metrics with numba at the first use
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore::Warning:numba", "ignore::Warning:ranx")
@pytest.mark.filterwarnings("ignore:.*unsafe cast")
def test_metrics_equal_those_of_ranx() -> None:
    import ranx

    rng = random.Random(7)
    judgments, rankings = [], []
    for _ in range(60):
        documents = [f"doc{n}" for n in range(rng.randint(5, 40))]
        relevant = rng.sample(documents, rng.randint(1, min(9, len(documents))))
        judgments.append({document: rng.randint(1, 3) for document in relevant} | {"missed": 1})
        rng.shuffle(documents)
        rankings.append(documents)
    found = metrics_of(NAMES, judgments, rankings)
    qrels = ranx.Qrels({f"q{n:02}": grades for n, grades in enumerate(judgments)})
    run = ranx.Run(
        {
            f"q{n:02}": {document: float(1000 - rank) for rank, document in enumerate(ranking)}
            for n, ranking in enumerate(rankings)
        }
    )
    theirs = ranx.evaluate(qrels, run, list(NAMES), return_mean=False)
    for name in NAMES:
        assert np.abs(found[name] - theirs[name]).max() <= 1e-9, name


def test_grades_between_whole_numbers_keep_their_proportions() -> None:
    graded = metrics_of(("ndcg@10",), [{"a": 0.25, "b": 1.0}], [["a", "b"]])
    whole = metrics_of(("ndcg@10",), [{"a": 1, "b": 4}], [["a", "b"]])
    assert graded["ndcg@10"] == pytest.approx(whole["ndcg@10"], abs=1e-9)
    # However small a grade is, it is above 0, so its document is relevant.
    assert metrics_of(("recall@1",), [{"a": 1e-6}], [["a"]])["recall@1"] == [1.0]


def test_gains_are_linear() -> None:
    found = metrics_of(("ndcg@10",), [{"a": 3, "b": 1}], [["b", "a"]])["ndcg@10"][0]
    assert found == pytest.approx((1 + 3 / math.log2(3)) / (3 + 1 / math.log2(3)), abs=1e-9)


def test_equal_scores_keep_the_order_of_the_first_stage_whatever_the_ids() -> None:
    """trec_eval alone would put the later id first; our ranking is the earlier candidate."""
    ids = ["b", "z", "a", "m"]
    query = JudgedQuery(
        id="q",
        query="q",
        document_ids=ids,
        texts=ids,
        first_stage=[4.0, 3.0, 2.0, 1.0],
        judgments={"b": 1},
    )
    ranking = served_order(query, np.zeros(4), 0.0)
    assert ranking == ids
    assert metrics_of(("mrr@10",), [query.judgments], [ranking])["mrr@10"] == [1.0]
    # Saturated scores are told apart by their logits.
    assert served_order(query, np.array([800.0, 900.0, 900.0, 1000.0]), 0.0) == ["m", "z", "a", "b"]


def test_the_blend_is_the_sum_of_both_z_scores() -> None:
    rng = np.random.default_rng(5)
    logits, original = rng.normal(size=30), np.sort(rng.gamma(2.0, size=30))[::-1]
    ids = [str(n) for n in range(30)]
    query = JudgedQuery(
        id="q", query="q", document_ids=ids, texts=ids, first_stage=original.tolist(), judgments={}
    )
    total = (logits - logits.mean()) / logits.std() + (original - original.mean()) / original.std()
    assert served_order(query, logits, 0.5) == [str(n) for n in np.argsort(-total, kind="stable")]


def test_a_query_without_candidates_counts_as_zero() -> None:
    found = metrics_of(NAMES, [{"a": 1}, {"a": 1}], [[], ["a"]])
    assert [values.tolist() for values in found.values()] == [[0.0, 1.0]] * len(NAMES)
