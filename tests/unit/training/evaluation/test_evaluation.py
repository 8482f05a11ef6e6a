"""Evaluations from judged queries to reports: gains, tables, pages, several corpora."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from support.collections import collection
from support.judged import Knowing, planted, write_beir
from support.onnx_models import build_model

from rerankd.config.training import EvaluationConfig
from rerankd.core.errors import CorpusNotFoundError, InvalidRequestError, ModelFailedError
from rerankd.training.evaluation import (
    About,
    EvaluationReport,
    OnnxScorer,
    Summary,
    changes,
    evaluate,
    evaluate_queries,
    from_json,
    load,
    save,
    summaries,
    summarise,
    to_json,
)
from rerankd.training.evaluation.__main__ import main
from rerankd.training.evaluation.folders import BeirFolder

CONFIG = EvaluationConfig(cutoffs=(10,), bootstrap_samples=500, permutations=500)
ABOUT = About(corpus_id="planted", split="test")


def report_of(*scorers: Knowing, corpus: str = "planted", seed: int = 3) -> EvaluationReport:
    about = About(corpus_id=corpus, split="test")
    return evaluate_queries(planted(seed=seed), about, scorers, CONFIG)


def test_a_better_scorer_gains_and_chance_does_not() -> None:
    good, useless = Knowing("good", 0.1), Knowing("useless", 100.0)
    report = report_of(useless, good)
    over_first = report.model("good").gains["bm25"]["ndcg@10"]
    assert over_first.low > 0.3
    assert over_first.p_value < 0.01
    over_other = report.model("good").gains["useless"]["ndcg@10"]
    assert over_other.low > 0.3
    assert over_other.wins + over_other.losses + over_other.ties == len(report.queries)
    nothing = report.model("useless").gains["bm25"]["ndcg@10"]
    assert nothing.low < 0 < nothing.high
    assert nothing.p_value > 0.01
    assert "good" not in report.model("useless").gains
    assert good.calls == len(report.queries)  # once for all blends


def test_values_means_and_gains_agree() -> None:
    report = report_of(Knowing("a", 1.0), Knowing("b", 2.0))
    for system in report.systems:
        for metric, estimate in system.metrics.items():
            assert estimate.mean == pytest.approx(np.mean(system.values[metric]))
            assert estimate.low <= estimate.mean <= estimate.high
        for over, gains in system.gains.items():
            for metric, gain in gains.items():
                delta = np.subtract(system.values[metric], report.system(over).values[metric])
                assert gain.mean == pytest.approx(delta.mean())
                assert gain.low <= gain.mean <= gain.high
    assert [system.name for system in report.systems] == [
        "bm25",
        "a",
        "a + bm25 (0.5)",
        "b",
        "b + bm25 (0.5)",
    ]
    assert list(report.model("b", 0.5).gains) == ["bm25", "a + bm25 (0.5)"]


def test_the_same_seed_gives_the_same_report() -> None:
    first, second = (to_json(report_of(Knowing("a", 1.0))) for _ in range(2))
    first.pop("seconds"), second.pop("seconds")
    assert first == second


def test_queries_that_a_model_cannot_read_keep_their_order() -> None:
    class Picky(Knowing):
        def score(self, query: str, texts: Sequence[str]) -> npt.NDArray[np.float64]:
            if query.endswith("7"):
                raise InvalidRequestError("too long", field="query")
            return super().score(query, texts)

    report = evaluate_queries(planted(), ABOUT, [Picky("picky", 0.1)], CONFIG)
    system = report.model("picky")
    assert system.refused_queries == 4
    first = report.systems[0].values["ndcg@10"]
    refused = [n for n, query in enumerate(report.queries) if query.text.endswith("7")]
    assert [system.values["ndcg@10"][n] for n in refused] == [first[n] for n in refused]


def test_scores_that_are_not_numbers_end_it() -> None:
    class Broken(Knowing):
        def score(self, query: str, texts: Sequence[str]) -> npt.NDArray[np.float64]:
            return np.full(len(texts), np.nan)

    with pytest.raises(ModelFailedError, match="not finite for query q000"):
        evaluate_queries(planted(), ABOUT, [Broken("broken", 0)], CONFIG)


def test_two_scorers_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidRequestError, match="same name"):
        report_of(Knowing("a", 1.0), Knowing("a", 2.0))


def test_progress_can_cancel() -> None:
    class GivenUpError(Exception):
        pass

    def progress(scorer: str, done: int, queries: int) -> None:
        if done == 3:
            raise GivenUpError

    scorer = Knowing("a", 1.0)
    with pytest.raises(GivenUpError):
        evaluate_queries(planted(), ABOUT, [scorer], CONFIG, progress=progress)
    assert scorer.calls == 3


def test_the_most_changed_queries() -> None:
    report = report_of(Knowing("a", 0.8))
    found = changes(report, "a", count=5)
    deltas = [change.delta for change in found.improved]
    assert deltas == sorted(deltas, reverse=True)
    assert all(delta > 0 for delta in deltas)
    assert all(change.delta < 0 for change in found.harmed)
    assert [change.delta for change in found.harmed] == sorted(change.delta for change in found.harmed)
    assert changes(report, "bm25").improved == ()


def test_reports_come_back_from_files(tmp_path: Path) -> None:
    report = report_of(Knowing("a", 0.8))
    files = save(report, tmp_path / "out")
    assert load(tmp_path / "out") == report
    assert all(path.read_bytes()[:4] == b"\x89PNG" for path in files if path.suffix == ".png")
    assert sum(path.suffix == ".png" for path in files) == 3
    with pytest.raises(InvalidRequestError):
        load(tmp_path)
    with pytest.raises(InvalidRequestError, match="queries"):
        from_json(EvaluationReport, to_json(report) | {"queries": 7})
    with pytest.raises(InvalidRequestError, match="format 99"):
        from_json(EvaluationReport, to_json(report) | {"format": 99})


def test_the_page_needs_nothing_beside_itself(tmp_path: Path) -> None:
    report = evaluate_queries(planted(), ABOUT, [Knowing("<b>bold</b>", 0.8)], CONFIG)
    save(report, tmp_path)
    text = (tmp_path / "evaluation.html").read_text(encoding="utf-8")
    sources = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert sources
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert "<b>bold" not in text
    assert "&lt;b&gt;bold" in text
    assert "Most improved" in text
    assert changes(report, "<b>bold</b>").improved[0].text in text


def test_several_corpora_are_summed_up() -> None:
    reports = [report_of(Knowing("a", 0.5), corpus=f"c{seed}", seed=seed) for seed in (3, 4, 5)]
    summary = summarise(reports, "a")
    assert summary.mean == pytest.approx(np.mean([c.gain.mean for c in summary.corpora]))
    assert summary.low < summary.mean < summary.high
    assert summary.low > 0
    assert summary.p_value < 0.01
    # The mean of three corpora is surer than one of them.
    assert summary.high - summary.low < max(c.gain.high - c.gain.low for c in summary.corpora)
    assert summary.low_new_corpora <= summary.low + 0.05
    assert [(s.system, s.over) for s in summaries(reports)] == [("a", "bm25"), ("a + bm25 (0.5)", "bm25")]
    assert from_json(Summary, to_json(summary)) == summary
    with pytest.raises(InvalidRequestError, match="no map of a compared with b"):
        summarise(reports, "a", over="b", metric="map")


def test_a_folder_in_beir_layout(tmp_path: Path) -> None:
    corpus = BeirFolder(write_beir(tmp_path / "small"))
    report = evaluate(corpus, "test", [], CONFIG)
    assert report.corpus_id == "small"
    assert report.systems[0].metrics["recall@10"].mean == 1.0
    sample = CONFIG.model_copy(update={"max_queries": 5})
    drawn = [query.id for query in evaluate(corpus, "test", [], sample).queries]
    assert len(drawn) == 5
    assert drawn == [query.id for query in evaluate(corpus, "test", [], sample).queries]
    before = sorted(path.name for path in (tmp_path / "small").iterdir())
    assert before == ["corpus.jsonl", "qrels", "queries.jsonl"]  # and no index beside them
    with pytest.raises(InvalidRequestError, match="no query with a relevant document in split dev"):
        evaluate(corpus, "dev", [], CONFIG)
    (tmp_path / "small" / "qrels" / "test.tsv").write_text("q0\td0-0\t1\nq1 d1-1 1\n")
    with pytest.raises(InvalidRequestError, match=r"test\.tsv:2: must be"):
        evaluate(BeirFolder(tmp_path / "small"), "test", [], CONFIG)
    with pytest.raises(CorpusNotFoundError):
        BeirFolder(tmp_path / "nothing")


def test_the_command_judges_model_directories(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = build_model(tmp_path / "first"), build_model(tmp_path / "second", seed=9)
    corpora = [write_beir(tmp_path / name) for name in ("one", "two")]
    arguments = ["--max-tokens", "64", "--bootstrap-samples", "200", "--json", str(tmp_path / "o.json")]
    arguments += ["--html", str(tmp_path / "o.html"), "--corpus", *map(str, corpora)]
    assert main([*arguments, "--model", str(first), "--model", f"new={second}"]) == 0
    written = json.loads((tmp_path / "o.json").read_bytes())
    reports = [from_json(EvaluationReport, value) for value in written["reports"]]
    assert [report.corpus_id for report in reports] == ["one", "two"]
    assert len(reports[0].systems) == 5
    assert reports[0].systems[3].name.startswith("new@sha256:")
    assert len(written["summaries"]) == 6
    assert "mean of  2 corpora" in capsys.readouterr().out
    assert "<html" in (tmp_path / "o.html").read_text()
    assert main([*arguments, "--model", str(first), "--metric", "ndcg@7"]) == 1
    assert "metric ndcg@7 is none of ndcg@10" in capsys.readouterr().err
    assert main([*arguments, "--model", str(tmp_path / "nothing")]) == 1
    assert "does not exist" in capsys.readouterr().err


def test_scores_are_those_of_serving(tmp_path: Path) -> None:
    scorer = OnnxScorer.of_directory(build_model(tmp_path / "tiny"), max_tokens=48)
    texts = [f"plants make food {'light ' * n}" for n in range(30)]
    together = scorer.score("how do plants make food", texts)
    alone = [float(scorer.score("how do plants make food", [text])[0]) for text in texts]
    assert together == pytest.approx(alone, abs=1e-5)
    assert len(set(np.round(together, 6))) > 10
    assert re.fullmatch(r"tiny@sha256:[0-9a-f]{12}", scorer.name)
    with pytest.raises(InvalidRequestError):
        scorer.score("word " * 200, texts)
    scorer.close()


def test_bm25_is_what_is_published() -> None:
    metrics = evaluate(BeirFolder(collection("cranfield")), "test", [], EvaluationConfig()).systems[0].metrics
    found = [round(metrics[name].mean, 3) for name in ("ndcg@10", "mrr@10", "recall@100")]
    assert found == [0.343, 0.506, 0.722]
