"""Two runs side by side, and when they are not to be compared."""

from __future__ import annotations

import pytest
from support.judged import planted

from rerankd.config.training import EvaluationConfig
from rerankd.core.errors import NotComparableError
from rerankd.training.evaluation import About, compare, evaluate_queries, query_values
from rerankd.training.types import RunInfo, RunStatus, RunSummary


def run(run_id: str, best: float = 0.5, **changes: object) -> RunInfo:
    fields: dict[str, object] = {
        "id": run_id,
        "corpus_id": "shop",
        "status": RunStatus.COMPLETED,
        "created": 0.0,
        "settings": {},
        "primary_metric": "ndcg",
        "primary_k": 10,
        "summary": RunSummary(
            best=best, final=best, best_step=10, seconds_to_best=60 * best, stability=best / 10
        ),
    }
    return RunInfo(**(fields | changes))  # type: ignore[arg-type]


def test_deltas_are_current_less_baseline() -> None:
    found = compare(run("a", 0.4), run("b", 0.5))
    assert found.metric == "ndcg@10"
    assert found.best_delta == pytest.approx(0.1)
    assert found.seconds_to_best_delta == pytest.approx(6.0)
    assert found.stability_delta == pytest.approx(0.01)
    assert found.gain is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"corpus_id": "docs"}, r"their corpus differs \(shop and docs\)"),
        ({"primary_metric": "mrr"}, r"their metric differs \(ndcg and mrr\)"),
        ({"primary_k": 5}, r"their k differs \(10 and 5\)"),
        ({"summary": None, "status": RunStatus.RUNNING}, "no result to compare: it is running"),
    ],
)
def test_what_is_not_alike_is_refused_with_the_reason(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(NotComparableError, match=reason):
        compare(run("a"), run("b", **changes))


def test_a_paired_test_where_both_have_values_of_each_query() -> None:
    before = {f"q{n}": 0.4 for n in range(40)} | {"only before": 1.0}
    after = {f"q{n}": 0.4 + 0.01 * (n % 5) for n in range(40)} | {"only after": 0.0}
    found = compare(run("a"), run("b"), baseline_values=before, current_values=after)
    assert found.shared_queries == 40
    assert found.gain is not None
    assert found.gain.mean == pytest.approx(0.02)
    assert found.gain.low > 0
    assert found.gain.p_value < 0.001
    assert (found.gain.wins, found.gain.losses, found.gain.ties) == (32, 0, 8)
    report = evaluate_queries(planted(), About(corpus_id="shop", split="dev"), [], EvaluationConfig())
    values = query_values(report, "bm25", "map")
    assert list(values) == [query.id for query in report.queries]
    assert compare(run("a"), run("b"), baseline_values=values, current_values=values).gain.ties == 40  # type: ignore[union-attr]
    nothing = compare(run("a"), run("b"), baseline_values={"x": 1.0}, current_values={"y": 1.0})
    assert nothing.gain is None
