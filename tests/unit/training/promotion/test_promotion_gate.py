"""The gate: each condition, its numbers, and planted models that are useless or better."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from support.judged import Knowing, planted, write_beir
from support.learned import decision, tiny

from rerankd.config.training import EvaluationConfig, PromotionConfig
from rerankd.core.errors import InvalidRequestError, PromotionRefusedError
from rerankd.training.evaluation import About, EvaluationReport, Gain, OnnxScorer, evaluate, evaluate_queries
from rerankd.training.evaluation.folders import BeirFolder
from rerankd.training.promotion import Decision, Evidence, decide, evidence_of, require

CONFIG = EvaluationConfig(cutoffs=(10,), bootstrap_samples=1000, permutations=500)


def failed(found: Decision) -> list[str]:
    return [condition.name for condition in found.conditions if not condition.met]


def planted_report(candidate: Knowing) -> EvaluationReport:
    in_use = Knowing("in use", 0.7, seed=1)
    return evaluate_queries(planted(60), About(corpus_id="shop", split="test"), [in_use, candidate], CONFIG)


def test_a_planted_better_model_is_let_in() -> None:
    report = planted_report(Knowing("better", 0.2, seed=2))
    found = decide(evidence_of(report, candidate="better", in_use="in use"), PromotionConfig())
    assert found.allowed
    require(found)


@pytest.mark.parametrize("seed", range(5))
def test_a_planted_useless_model_is_refused(seed: int) -> None:
    """As good as the model in use, up to chance: fine-tuned, and nothing came of it."""
    report = planted_report(Knowing("useless", 0.7, seed=100 + seed))
    found = decide(evidence_of(report, candidate="useless", in_use="in use"), PromotionConfig())
    assert failed(found) == ["gain"]
    with pytest.raises(PromotionRefusedError, match="lower bound must be above 0") as caught:
        require(found)
    assert caught.value.metadata["failed"] == "gain"
    assert float(caught.value.metadata["gain"]) <= 0.0


def test_the_same_model_again_is_refused() -> None:
    report = planted_report(Knowing("same", 0.7, seed=1))
    found = decide(evidence_of(report, candidate="same", in_use="in use"), PromotionConfig())
    assert failed(found) == ["gain"]


def test_tiny_real_models_are_told_apart(tmp_path: Path) -> None:
    """Of models with random weights some happen to rank these documents well and some badly."""
    corpus = BeirFolder(write_beir(tmp_path / "corpus", queries=30))
    scorers = [OnnxScorer.of_directory(tiny(tmp_path, seed), max_tokens=64) for seed in range(6)]
    report = evaluate(corpus, "test", scorers, CONFIG, blend_weights=(0.0,))
    by_quality = sorted(report.systems[1:], key=lambda system: system.metrics["ndcg@10"].mean)
    worst, best = (s for s in scorers if s.name in (by_quality[0].scorer, by_quality[-1].scorer))
    if worst.name != by_quality[0].scorer:
        worst, best = best, worst
    report = evaluate(corpus, "test", [worst, best], CONFIG)
    assert decide(evidence_of(report, candidate=best.name, in_use=worst.name), PromotionConfig()).allowed
    report = evaluate(corpus, "test", [best, worst], CONFIG)
    found = decide(evidence_of(report, candidate=worst.name, in_use=best.name), PromotionConfig())
    assert failed(found) == ["gain"]


def test_the_bound_counts_not_the_mean() -> None:
    assert decision(0.011, epsilon=0.01).allowed
    assert failed(decision(0.01, epsilon=0.01)) == ["gain"]
    assert failed(decision(-0.001)) == ["gain"]
    assert failed(decision(0.0)) == ["gain"]


def test_every_reason_is_told() -> None:
    found = decision(-0.1, queries=5, load_error="golden pair 0 is off", precision="int8")
    assert failed(found) == ["queries", "gain", "int8", "loads"]
    with pytest.raises(PromotionRefusedError) as caught:
        require(found)
    for words in ("5 queries were evaluated; at least 20", "-0.1000", "not measured", "golden pair 0 is off"):
        assert words in caught.value.message
    assert caught.value.metadata["queries"] == "5"
    assert caught.value.metadata["queries_limit"] == "20"


@pytest.mark.parametrize(("loss", "allowed"), [(0.004, True), (0.005, True), (0.0051, False), (None, False)])
def test_what_int8_may_cost(loss: float | None, allowed: bool) -> None:
    gain = Gain(mean=0.1, low=0.05, high=0.2, p_value=0.0, wins=1, losses=0, ties=0)
    evidence = Evidence(candidate="c", in_use="d", metric="ndcg@10", queries=50, gain=gain, int8_loss=loss)
    assert decide(evidence, PromotionConfig(precision="int8")).allowed is allowed
    assert decide(evidence, PromotionConfig(precision="fp32")).allowed


def test_force_is_logged_with_its_reason(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        require(decision(-0.1), force="the old one is unsafe")
    (record,) = caplog.records
    assert record.because == "the old one is unsafe"  # type: ignore[attr-defined]
    assert "lower bound" in record.refused_for[0]  # type: ignore[attr-defined]
    with pytest.raises(PromotionRefusedError):
        require(decision(-0.1), force="  ")
    with pytest.raises(PromotionRefusedError, match="cannot be loaded"):
        require(decision(0.1, load_error="damaged"), force="anyway")


def test_evidence_needs_a_comparison() -> None:
    report = planted_report(Knowing("c", 0.2))
    for candidate, in_use, metric in (
        ("x", "in use", "ndcg@10"),
        ("c", "x", "ndcg@10"),
        ("c", "in use", "p@3"),
    ):
        with pytest.raises(InvalidRequestError, match="does not compare"):
            evidence_of(report, candidate=candidate, in_use=in_use, metric=metric)
