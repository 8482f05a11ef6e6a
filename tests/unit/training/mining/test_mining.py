"""Mining: which groups come of judgments, clicks, BM25 and a model, and which never do."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from support.feedback import clicked, rated, shown

from rerankd.config.training import FeedbackConfig, MiningConfig
from rerankd.core.errors import CancelledError, NonFiniteScoreError, RunActiveError
from rerankd.training.corpora import (
    Bm25Index,
    Corpus,
    CorpusDocument,
    CorpusQuery,
    CorpusStore,
    Judgment,
    query_key,
)
from rerankd.training.corpora.records import SPLITS, Split
from rerankd.training.durable import locked_file
from rerankd.training.feedback import FeedbackLog
from rerankd.training.layout import Layout
from rerankd.training.mining import MiningProgress, mine, read_groups
from rerankd.training.types import TrainingGroup

CORPUS = "manuals"
TOPICS = 6
QRELS = MiningConfig(sources=("qrels",))


class Numbers:
    """A model that scores by the number in the text: document 17 has logit 1.7."""

    name = "numbers@1"

    def __init__(self) -> None:
        self.calls: list[int] = []

    def score(self, query: str, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        self.calls.append(len(texts))
        return np.array([int(text.split()[-1]) / 10 for text in texts])


def documents() -> Iterator[CorpusDocument]:
    for number in range(240):
        # Longer documents rank lower: BM25's order in a topic is the order of the numbers.
        filler = " ".join(["filler"] * number)
        yield CorpusDocument(id=f"d{number}", text=f"topic{number % TOPICS}word {filler} {number}")


def queries(count: int = 30) -> list[CorpusQuery]:
    return [
        CorpusQuery(id=f"q{number}", text=f"topic{number % TOPICS}word question{number}")
        for number in range(count)
    ]


def judgment(number: int, document: str, score: int = 1, split: Split = "train") -> Judgment:
    return Judgment(split=split, query_id=f"q{number}", document_id=document, score=score)


@pytest.fixture
def store(tmp_path: Path) -> CorpusStore:
    return CorpusStore(Layout(tmp_path / "learning"))


def corpus_with(store: CorpusStore, judgments: Sequence[Judgment]) -> Corpus:
    # Both judging splits are brought, so that none is derived and every other query trains.
    judging = [judgment(28, "d4", split="dev"), judgment(29, "d5", split="test")]
    store.create(CORPUS, documents(), queries(), [*judgments, *judging], replace=True)
    return store.get(CORPUS)


def positive(number: int) -> str:
    """A document of the query's topic, in the middle of BM25's ranking."""
    return f"d{number % TOPICS + 20 * TOPICS}"


def judged(count: int = 20) -> list[Judgment]:
    return [judgment(number, positive(number)) for number in range(count)]


def groups_of(corpus: Corpus) -> list[TrainingGroup]:
    return list(read_groups(corpus.groups_file))


def test_a_group_has_its_positive_its_negatives_and_their_teachers(store: CorpusStore) -> None:
    corpus = corpus_with(store, judged())
    statistics = mine(corpus, None, Numbers(), QRELS)
    groups = groups_of(corpus)
    assert len(groups) == statistics.groups == statistics.pairs == statistics.queries == 20
    assert statistics.triplets == sum(group.triplets for group in groups) == 20 * 7
    index = Bm25Index.of(corpus)
    for number, group in enumerate(groups):
        assert (group.query_id, group.source, group.weight) == (f"q{number}", "qrels", 1.0)
        first, *others = group.documents
        assert (first.id, first.label) == (positive(number), 1.0)
        assert len(others) == 7
        assert all(other.label == 0 for other in others)
        assert len({document.id for document in group.documents}) == 8
        ids = [document.id for document in group.documents]
        texts = corpus.documents_by_id(ids)
        assert [document.text for document in group.documents] == [texts[i].content for i in ids]
        assert [document.teachers["bm25"] for document in group.documents] == pytest.approx(
            index.scores(group.query, ids), abs=1e-6
        )
        assert [document.teachers["model"] for document in group.documents] == [int(i[1:]) / 10 for i in ids]
    assert statistics.negatives["random"] == 20
    assert statistics.negatives["bm25"] == statistics.negatives["model"] == 60
    assert statistics.scorer == "numbers@1"
    assert statistics.sources == {"qrels": 20}
    for name, total in (("positives", 20), ("negatives", 140)):
        for teacher in ("bm25", "model"):
            assert sum(statistics.histograms[f"{teacher}/{name}"].counts) == total
    stored = json.loads((corpus.directory / "mining.json").read_text())
    assert stored["triplets"] == 140


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(store: CorpusStore) -> None:
    corpus = corpus_with(store, judged())

    def mined(seed: int) -> bytes:
        mine(corpus, None, Numbers(), QRELS.model_copy(update={"seed": seed}))
        return corpus.groups_file.read_bytes()

    first = mined(1)
    assert mined(1) == first
    assert mined(2) != first


def test_what_is_drawn_for_a_query_does_not_depend_on_the_others(store: CorpusStore) -> None:
    mine(corpus_with(store, judged(20)), None, None, QRELS)
    many = groups_of(store.get(CORPUS))
    mine(corpus_with(store, judged(5)), None, None, QRELS)
    assert groups_of(store.get(CORPUS)) == many[:5]


def test_negatives_come_from_the_whole_depth_of_bm25(store: CorpusStore) -> None:
    corpus = corpus_with(store, judged())
    config = QRELS.model_copy(update={"depth": 30, "random_negatives": 0, "hard_negatives": ("bm25",)})
    statistics = mine(corpus, None, None, config)
    assert statistics.negatives == {"bm25": 140}
    index = Bm25Index.of(corpus)
    ranks = [
        index.search(group.query, 30).ids.index(document.id)
        for group in groups_of(corpus)
        for document in group.documents[1:]
    ]
    assert np.histogram(ranks, bins=3, range=(0, 30))[0].min() > 25, "each third has its share of 140"


def test_the_models_negatives_are_its_highest(store: CorpusStore) -> None:
    corpus = corpus_with(store, judged())
    config = QRELS.model_copy(
        update={"hard_negatives": ("model",), "margin": -100.0, "percentile": 100.0, "random_negatives": 0}
    )
    statistics = mine(corpus, None, Numbers(), config)
    assert statistics.negatives == {"model": 140}
    logits = [d.teachers["model"] for g in groups_of(corpus) for d in g.documents[1:]]
    spread = [d.teachers["bm25"] for g in groups_of(corpus) for d in g.documents[1:]]
    assert np.mean(logits) > 14, "of 0 to 24, the upper half"
    assert spread


def test_what_the_model_costs_is_bounded(store: CorpusStore) -> None:
    corpus = corpus_with(store, judged())
    scorer = Numbers()
    mine(corpus, None, scorer, QRELS.model_copy(update={"model_candidates": 8}))
    assert len(scorer.calls) == 20
    assert max(scorer.calls) <= 1 + 8 + 4


@pytest.mark.parametrize(
    ("margin", "percentile", "highest", "reason"),
    [
        (1.0, 100.0, lambda p: p - 1, "margin"),
        (0.0, 100.0, lambda p: p, "margin"),
        (-2.0, 100.0, lambda p: p + 2, "margin"),
        (-100.0, 50.0, lambda p: p / 2 + 3, "percentile"),
        (-100.0, 100.0, lambda p: 99, None),
    ],
)
def test_false_negatives_are_guarded_against(
    store: CorpusStore,
    margin: float,
    percentile: float,
    highest: Callable[[float], float],
    reason: str | None,
) -> None:
    corpus = corpus_with(store, judged())
    config = QRELS.model_copy(update={"margin": margin, "percentile": percentile, "random_negatives": 0})
    statistics = mine(corpus, None, Numbers(), config)
    for group in groups_of(corpus):
        logit = group.documents[0].teachers["model"]
        most = highest(logit)
        assert all(document.teachers["model"] <= most + 1e-9 for document in group.documents[1:])
    assert set(statistics.dropped) == ({reason} if reason else set())


def test_a_positive_that_the_model_thinks_nothing_of_has_negatives_from_afar(store: CorpusStore) -> None:
    corpus = corpus_with(store, [judgment(0, "d0")])
    statistics = mine(corpus, None, Numbers(), QRELS)
    assert set(statistics.negatives) == {"random"}
    assert statistics.groups == 1


def test_grades_meet_in_a_group(store: CorpusStore) -> None:
    corpus = corpus_with(
        store,
        [
            judgment(0, "d0", 2),
            judgment(0, "d6", 2),
            judgment(0, "d12", 1),
            judgment(0, "d18", 0),
            judgment(0, "d24", 0),
        ],
    )
    statistics = mine(corpus, None, None, QRELS)
    both, rest = groups_of(corpus)
    assert [(d.id, d.label) for d in both.documents[:2]] == [("d0", 1.0), ("d12", 0.5)]
    assert [(d.id, d.label) for d in rest.documents[:1]] == [("d6", 1.0)]
    assert len(both.documents) == 2 + 14
    assert len(rest.documents) == 1 + 7
    for group in (both, rest):
        assert {"d18", "d24"} <= {document.id for document in group.documents}
        assert not {"d0", "d6", "d12"} & {document.id for document in group.documents if not document.label}
    assert statistics.negatives["judged"] == 4


def test_no_query_of_a_judging_split_is_in_training(store: CorpusStore, tmp_path: Path) -> None:
    """By id or by text, from judgments or from feedback, brought or derived."""
    queries_ = [
        *queries(),
        CorpusQuery(id="twin-dev", text="TOPIC4word  question28 ?"),
        CorpusQuery(id="twin-test", text="topic5word, question29!"),
    ]
    judgments = [
        *judged(28),
        Judgment(split="train", query_id="twin-dev", document_id="d4", score=1),
        Judgment(split="train", query_id="twin-test", document_id="d5", score=1),
        Judgment(split="train", query_id="q29", document_id="d5", score=1),
        judgment(28, "d4", split="dev"),
        judgment(29, "d5", split="test"),
    ]
    with FeedbackLog(tmp_path / "log", FeedbackConfig()) as log:
        for number in range(60):
            text = f"Topic{number % TOPICS}word - question{number}"
            log.append([shown(f"r{number}", text, ["d1", "d2", "d3"]), clicked(f"r{number}", "d3")])
        for brought in (judgments, [j for j in judgments if j.split == "train"]):
            store.create(CORPUS, documents(), queries_, brought, replace=True)
            corpus = store.get(CORPUS)
            statistics = mine(corpus, log, None, MiningConfig())
            judging = {
                query_key(corpus.queries[query]) for split in SPLITS[1:] for query in corpus.qrels(split)
            }
            trained = {query_key(group.query) for group in groups_of(corpus)}
            assert len(judging) >= 2
            assert len(trained) > 20
            assert not judging & trained
            assert {group.source for group in groups_of(corpus)} == {"qrels", "feedback"}
            assert statistics.dropped["query_of_test"] >= 1
            assert all(corpus.split_of(group.query) == "train" for group in groups_of(corpus))


def test_a_corpus_that_only_judges_gives_no_groups(store: CorpusStore) -> None:
    corpus = corpus_with(store, [])
    statistics = mine(corpus, None, None, QRELS)
    assert (statistics.groups, groups_of(corpus)) == (0, [])


def test_feedback_becomes_weighted_groups(store: CorpusStore, tmp_path: Path) -> None:
    corpus = corpus_with(store, [])
    with FeedbackLog(tmp_path / "log", FeedbackConfig()) as log:
        log.append(
            [
                shown("r1", "Topic0word question0", ["d6", "d12", "d18", "new"]),
                clicked("r1", "d18"),
                rated("r1", "d6", 0.2),
                shown("r2", "never asked of topic3word", ["d3", "d9"]),
                clicked("r2", "d3"),
                shown("r3", "found nothing", ["d1"]),
                clicked("lost", "d1"),
                shown("r4", "only in the log", ["new", "gone"]),
                clicked("r4", "new"),
                shown("r9", "elsewhere", ["d1"], corpus="other"),
                clicked("r9", "d1", corpus="other"),
            ]
        )
        statistics = mine(corpus, log, None, MiningConfig())
    first, second, third = groups_of(corpus)
    assert (first.query_id, first.source, first.weight) == ("q0", "feedback", 3.0)
    roles = {document.id: document.label for document in first.documents}
    assert (roles["d18"], roles["d6"], roles["d12"]) == (1.0, 0.0, 0.0)
    assert second.query_id.startswith("q")
    assert second.weight == 1.0
    assert third.documents[0].text == "text of new", "the log has what the corpus has not"
    assert "bm25" not in third.documents[0].teachers
    assert statistics.negatives["judged"] == 1
    assert statistics.negatives["skipped"] == 1
    assert statistics.dropped == {"orphans": 1}
    assert statistics.no_hit_queries == 1
    assert statistics.sources == {"feedback": 3}


def test_a_pair_of_both_sources_comes_from_feedback(store: CorpusStore, tmp_path: Path) -> None:
    corpus = corpus_with(store, [judgment(0, "d6"), judgment(0, "d12")])
    with FeedbackLog(tmp_path / "log", FeedbackConfig()) as log:
        log.append([shown("r", "Topic0word, question0", ["d0", "d6"]), clicked("r", "d6")])
        statistics = mine(corpus, log, None, MiningConfig())
    made = {(group.source, group.documents[0].id, group.weight) for group in groups_of(corpus)}
    assert made == {("feedback", "d6", 2.0), ("qrels", "d12", 1.0)}
    assert statistics.dropped == {"in_feedback_too": 1}


def test_a_corpus_out_of_the_log_is_mined(store: CorpusStore, tmp_path: Path) -> None:
    with FeedbackLog(tmp_path / "log", FeedbackConfig()) as log:
        for number in range(40):
            documents_ = [f"d{i}" for i in range(number % 3, 12)]
            log.append([shown(f"r{number}", f"question {number}", documents_)])
            log.append([clicked(f"r{number}", documents_[number % 4])])
        store.build_from_feedback(CORPUS, log)
        corpus = store.get(CORPUS)
        statistics = mine(corpus, log, None, MiningConfig())
    trained = set(corpus.qrels("train"))
    assert statistics.sources == {"feedback": len(trained)}
    assert {group.query_id for group in groups_of(corpus)} == trained
    assert len(trained) + len(corpus.qrels("dev")) + len(corpus.qrels("test")) == 40


def test_a_model_that_gives_no_number_ends_mining(store: CorpusStore) -> None:
    class Broken(Numbers):
        def score(self, query: str, texts: Sequence[str]) -> npt.NDArray[np.float64]:
            return np.full(len(texts), np.nan)

    with pytest.raises(NonFiniteScoreError, match="numbers@1"):
        mine(corpus_with(store, judged(2)), None, Broken(), QRELS)


def test_a_hashed_log_is_mined_through_the_corpus(store: CorpusStore, tmp_path: Path) -> None:
    corpus = corpus_with(store, [])
    with FeedbackLog(tmp_path / "log", FeedbackConfig(text="hashed")) as log:
        log.append(
            [
                shown("r1", "topic0WORD question0", ["d6", "d12"]),
                clicked("r1", "d12"),
                shown("r2", "a query that the corpus has not", ["d3"]),
                clicked("r2", "d3"),
                shown("r3", "topic5word question29", ["d5"]),
                clicked("r3", "d5"),
                shown("r4", "topic1word question1", ["not in the corpus"]),
                clicked("r4", "not in the corpus"),
            ]
        )
        statistics = mine(corpus, log, None, MiningConfig())
    (group,) = groups_of(corpus)
    assert (group.query, group.documents[0].id) == ("topic0word question0", "d12")
    assert statistics.dropped == {"query_unknown": 1, "query_of_test": 1, "positive_without_text": 1}


def test_what_one_source_calls_relevant_is_no_negative_of_another(store: CorpusStore, tmp_path: Path) -> None:
    corpus = corpus_with(store, [judgment(0, "d6"), judgment(0, "d12")])
    with FeedbackLog(tmp_path / "log", FeedbackConfig()) as log:
        log.append(
            [
                shown("r1", "TOPIC0WORD question0?", ["d6", "d0", "d18"]),
                rated("r1", "d12", 0.0),
                clicked("r1", "d18"),
            ]
        )
        for sources in (("feedback", "qrels"), ("feedback",)):
            mine(corpus, log, None, MiningConfig(sources=sources))  # type: ignore[arg-type]
            for group in groups_of(corpus):
                negatives = {document.id for document in group.documents if not document.label}
                assert not negatives & {"d6", "d12"}
                assert ("d18" in negatives) is False


def test_a_copy_of_the_positive_is_no_negative(store: CorpusStore) -> None:
    copies = [CorpusDocument(id=f"copy{i}", text="topic0word 0") for i in range(20)]
    store.create(CORPUS, [*documents(), *copies], queries(), [judgment(0, "d0")])
    corpus = store.get(CORPUS)
    assert corpus.split_of(queries()[0].text) == "train", "the test needs a query that trains"
    statistics = mine(corpus, None, None, QRELS)
    (group,) = groups_of(corpus)
    assert statistics.dropped["same_text"] > 0
    texts = [document.text.split() for document in group.documents]
    assert texts.count(texts[0]) == 1


def test_the_number_of_pairs_is_bounded(store: CorpusStore) -> None:
    corpus = corpus_with(store, judged())
    config = QRELS.model_copy(update={"max_pairs": 6})
    statistics = mine(corpus, None, None, config)
    assert statistics.pairs == len(groups_of(corpus)) == 6
    assert statistics.dropped["max_pairs"] == 14
    chosen = {group.query_id for group in groups_of(corpus)}
    mine(corpus, None, None, config.model_copy(update={"max_pairs": 9}))
    assert chosen < {group.query_id for group in groups_of(corpus)}


def test_groups_are_replaced_or_added_to(store: CorpusStore) -> None:
    corpus = corpus_with(store, judged(4))
    mine(corpus, None, None, QRELS)
    old = groups_of(corpus)
    append = QRELS.model_copy(update={"write": "append"})
    again = mine(corpus, None, None, append)
    assert (again.groups, again.kept_groups, again.dropped) == (4, 4, {"known_group": 4})
    assert groups_of(corpus) == old
    more = mine(corpus, None, None, append.model_copy(update={"seed": 99}))
    assert (more.groups, more.kept_groups, more.pairs) == (8, 4, 8)
    assert groups_of(corpus)[:4] == old
    full = mine(corpus, None, None, append.model_copy(update={"seed": 7, "max_pairs": 9}))
    assert full.pairs == 9
    assert mine(corpus, None, None, QRELS).groups == 4
    assert groups_of(corpus) == old


def test_groups_whose_query_judges_by_now_do_not_stay(store: CorpusStore) -> None:
    corpus = corpus_with(store, judged(4))
    mine(corpus, None, None, QRELS)
    (corpus.directory / "qrels" / "test.tsv").write_text("q1\td1\t1\n")
    statistics = mine(store.get(CORPUS), None, None, QRELS.model_copy(update={"write": "append"}))
    assert statistics.dropped["no_longer_training"] == 1
    assert {group.query_id for group in groups_of(corpus)} == {"q0", "q2", "q3"}


def test_mining_tells_its_progress_and_can_be_cancelled(store: CorpusStore) -> None:
    corpus = corpus_with(store, judged(4))
    told: list[MiningProgress] = []
    mine(corpus, None, None, QRELS, progress=told.append)
    assert [(at.done, at.total) for at in told] == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]
    before = corpus.groups_file.read_bytes()
    told.clear()
    with pytest.raises(CancelledError):
        mine(
            corpus,
            None,
            None,
            QRELS.model_copy(update={"seed": 5}),
            progress=told.append,
            cancelled=lambda: len(told) == 2,
        )
    assert corpus.groups_file.read_bytes() == before
    assert not list(corpus.directory.glob(".groups*"))


def test_a_corpus_is_mined_once_at_a_time(store: CorpusStore) -> None:
    corpus = corpus_with(store, judged(4))
    guard = locked_file(corpus.directory / ".mining.lock")
    with pytest.raises(RunActiveError):
        mine(corpus, None, None, QRELS)
    os.close(guard)
    assert mine(corpus, None, None, QRELS).groups == 4


def test_lines_that_are_no_group_are_told(tmp_path: Path) -> None:
    path = tmp_path / "groups.jsonl"
    assert list(read_groups(path)) == []
    path.write_text('{"query_id": 1}\n')
    with pytest.raises(ValueError, match=r"groups.jsonl:1"):
        list(read_groups(path))
