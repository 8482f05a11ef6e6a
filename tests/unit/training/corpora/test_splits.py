"""No query that judges is ever in training, whatever its id, case, white space and punctuation."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rerankd.training.corpora import (
    CorpusDocument,
    CorpusQuery,
    CorpusStore,
    Judgment,
    SplitRule,
    query_key,
)
from rerankd.training.corpora.records import Split
from rerankd.training.corpora.splits import Splits
from rerankd.training.layout import Layout


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("How to fly?", "how  TO\tfly"),
        ("e-mail server", "E mail server!"),
        ("Straße", "STRASSE"),
        ("\ufb01le", "file"),
        ("cafe\u0301", "caf\u00e9"),
        ("it\u2019s", "it's"),
        ("???", " ??? "),
    ],
)
def test_near_equal_queries_share_a_key(one: str, other: str) -> None:
    assert query_key(one) == query_key(other)


@pytest.mark.parametrize(
    ("one", "other"), [("fly", "flies"), ("???", "!!!"), ("क्या", "क"), ("1.5", "15"), ("a b", "ab")]
)
def test_other_queries_do_not(one: str, other: str) -> None:
    assert query_key(one) != query_key(other)


WORDS = st.sampled_from(["fly", "Fly", "FLY!", "swim", "Swim ?", "run", " run", "walk", "jump", "sit"])
SPLIT = st.sampled_from(["train", "dev", "test"])


@given(texts=st.lists(WORDS, min_size=1, max_size=12), data=st.data())
@settings(max_examples=300, deadline=None)
def test_no_two_splits_share_a_query(texts: list[str], data: st.DataObject) -> None:
    queries = {str(number): text for number, text in enumerate(texts)}
    brought: dict[Split, dict[str, dict[str, int]]] = {}
    for query_id in [*queries, "without text"]:
        for split in data.draw(st.lists(SPLIT, max_size=3, unique=True)):
            brought.setdefault(split, {})[query_id] = {"d": 1}
    splits = Splits(queries, brought, SplitRule(dev_fraction=0.3, test_fraction=0.3))
    keys = {
        split: {query_key(queries[query_id]) for query_id in splits.qrels(split)}
        for split in ("train", "dev", "test")
    }
    assert not keys["train"] & (keys["dev"] | keys["test"])
    assert not keys["dev"] & keys["test"]
    # Nothing that judges is lost, and what is looked up by text alone goes where the judgments are.
    assert keys["test"] >= {query_key(queries[i]) for i in brought.get("test", {}) if i in queries}
    for split, found in keys.items():
        assert all(splits.split_of(key.upper() + " !") == split for key in found)


def rows(count: int) -> tuple[list[CorpusQuery], list[Judgment]]:
    queries = [CorpusQuery(id=str(number), text=f"question number {number}") for number in range(count)]
    return queries, [Judgment(split="train", query_id=q.id, document_id="d", score=1) for q in queries]


def test_splits_are_derived_by_text_and_stay_when_queries_come(tmp_path: Path) -> None:
    store = CorpusStore(Layout(tmp_path))
    document = [CorpusDocument(id="d", text="t")]
    queries, judgments = rows(400)
    store.create("small", document, queries[:200], judgments[:200])
    store.create("large", document, queries, judgments)
    small, large = store.get("small"), store.get("large")
    for split in ("train", "dev", "test"):
        assert set(small.qrels(split)) <= set(large.qrels(split))
    sizes = [len(large.qrels(split)) for split in ("train", "dev", "test")]
    assert sum(sizes) == 400
    assert sizes[2] == pytest.approx(80, abs=25)
    assert sizes[1] == pytest.approx(40, abs=20)
    profile = large.profile()
    assert [(split.name, split.derived) for split in profile.splits] == [
        ("train", False),
        ("dev", True),
        ("test", True),
    ]


def test_a_test_split_that_is_brought_keeps_its_queries_and_training_loses_them(tmp_path: Path) -> None:
    store = CorpusStore(Layout(tmp_path))
    queries, judgments = rows(50)
    twin = CorpusQuery(id="twin", text="QUESTION  number 7?")
    judgments.append(Judgment(split="test", query_id="twin", document_id="d", score=1))
    store.create("c", [CorpusDocument(id="d", text="t")], [*queries, twin], judgments)
    corpus = store.get("c")
    assert set(corpus.qrels("test")) == {"twin"}
    assert "7" not in corpus.qrels("train")
    assert "7" not in corpus.qrels("dev")
    assert corpus.profile().left_out == 1
    assert corpus.split_of("question-number-7") == "test"


def test_a_corpus_that_only_judges_has_nothing_to_train_on(tmp_path: Path) -> None:
    store = CorpusStore(Layout(tmp_path))
    queries, _ = rows(30)
    judgments = [Judgment(split="test", query_id=q.id, document_id="d", score=1) for q in queries]
    store.create("c", [CorpusDocument(id="d", text="t")], queries, judgments)
    corpus = store.get("c")
    assert len(corpus.qrels("test")) == 30
    assert corpus.qrels("train") == corpus.qrels("dev") == {}
    assert corpus.split_of("something that nobody asked yet") == "train"


@pytest.mark.parametrize(
    ("positives", "grade", "metric", "k", "kind"),
    [
        ([], 1, "ndcg", 10, "none"),
        ([1] * 20, 1, "mrr", 10, "binary"),
        ([3] * 20, 1, "ndcg", 10, "binary"),
        ([15] * 20, 1, "map", 20, "binary"),
        ([3] * 20, 2, "ndcg", 10, "graded"),
        ([30] * 20, 3, "ndcg", 50, "graded"),
    ],
)
def test_the_profile_recommends_the_metric_that_the_judgments_allow(
    tmp_path: Path, positives: list[int], grade: int, metric: str, k: int, kind: str
) -> None:
    store = CorpusStore(Layout(tmp_path))
    documents = [CorpusDocument(id=f"d{number}", text="t") for number in range(30)]
    queries, _ = rows(len(positives))
    judgments = [
        Judgment(split="test", query_id=query.id, document_id=f"d{number}", score=grade)
        for query, count in zip(queries, positives, strict=True)
        for number in range(count)
    ]
    store.create("c", documents, queries, judgments)
    profile = store.get("c").profile()
    assert (profile.recommended_metric, profile.recommended_k, profile.label_kind) == (metric, k, kind)
    assert profile.average_positives == (positives[0] if positives else 0)
    assert profile.rationale
