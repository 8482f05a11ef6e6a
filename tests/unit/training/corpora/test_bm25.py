"""BM25 beside the corpus: the published baseline, kept under the digest of the documents."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from support.collections import collection

from rerankd.training.corpora import Bm25Index, CorpusDocument, CorpusStore
from rerankd.training.layout import Layout

DOCUMENTS = [
    CorpusDocument(id="a", title="Engines", text="turbines and pistons"),
    CorpusDocument(id="b", text="the turbine engine engines"),
    CorpusDocument(id="c", text="gardens"),
    CorpusDocument(id="d"),
    CorpusDocument(id="e", text="turbines and pistons", title="Engines"),
]


@pytest.fixture
def store(tmp_path: Path) -> CorpusStore:
    return CorpusStore(Layout(tmp_path))


def test_documents_are_found_by_the_stems_of_title_and_text(store: CorpusStore) -> None:
    store.create("c", DOCUMENTS)
    index = Bm25Index.of(store.get("c"))
    hits = index.search("the engine", 10)
    assert hits.ids == ("b", "a", "e"), "equal scores in the order of the corpus"
    assert list(hits.scores) == sorted(hits.scores, reverse=True)
    assert index.search("engine", 2).ids == ("b", "a")
    assert np.array_equal(index.scores("the engine", ["e", "b", "c", "no"])[:2], hits.scores[[2, 0]])
    assert list(index.scores("the engine", ["c", "no"])) == [0, 0]


@pytest.mark.parametrize("query", ["", "the", "unheard", "?!"])
def test_a_query_without_known_words_finds_nothing(store: CorpusStore, query: str) -> None:
    store.create("c", DOCUMENTS)
    assert Bm25Index.of(store.get("c")).search(query, 10).ids == ()


def test_documents_without_words_are_never_found(store: CorpusStore) -> None:
    store.create("c", [CorpusDocument(id="a", text="the of"), CorpusDocument(id="b")])
    assert Bm25Index.of(store.get("c")).search("the", 10).ids == ()


def test_the_index_is_kept_and_renewed_with_the_documents(
    store: CorpusStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    import bm25s

    store.create("c", DOCUMENTS)
    corpus = store.get("c")
    first = Bm25Index.of(corpus).search("engine", 10)
    kept = list(corpus.directory.glob("bm25-*"))
    assert len(kept) == 1
    with monkeypatch.context() as patch:
        patch.delattr(bm25s.BM25, "index")
        again = Bm25Index.of(store.get("c")).search("engine", 10)
    assert again.ids == first.ids
    assert np.array_equal(again.scores, first.scores)
    with (corpus.directory / "corpus.jsonl").open("a") as file:
        file.write('{"_id": "f", "text": "engine"}\n')
    assert Bm25Index.of(store.get("c")).search("engine", 10).ids == ("b", "f", "a", "e")
    assert len(list(corpus.directory.glob("bm25-*"))) == 1
    assert list(corpus.directory.glob("bm25-*")) != kept
    assert not list(corpus.directory.glob(".bm25-*"))


def test_an_index_that_cannot_be_read_is_built_anew(store: CorpusStore) -> None:
    store.create("c", DOCUMENTS)
    corpus = store.get("c")
    expected = Bm25Index.of(corpus).search("engine", 10)
    (directory,) = corpus.directory.glob("bm25-*")
    names = sorted(path.name for path in directory.iterdir())
    assert names
    for name in names:
        (directory / name).write_bytes(b"")
        assert Bm25Index.of(store.get("c")).search("engine", 10).ids == expected.ids
        assert sorted(path.name for path in directory.iterdir()) == names


def test_a_folder_that_cannot_be_written_is_searched_all_the_same(
    store: CorpusStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.create("c", DOCUMENTS)

    def refuse(**_: object) -> str:
        raise PermissionError

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    assert Bm25Index.of(store.get("c")).search("engine", 1).ids == ("b",)


@pytest.mark.parametrize(
    ("name", "expected"), [("cranfield", 0.343), ("stackfaq", 0.795), ("scifact", 0.676)]
)
def test_the_baseline_is_the_published_one(store: CorpusStore, name: str, expected: float) -> None:
    import ir_measures

    store.import_beir(name, collection(name))
    corpus = store.get(name)
    index = Bm25Index.of(corpus)
    run = {}
    for query in corpus.qrels("test"):
        hits = index.search(corpus.queries[query], 100)
        run[query] = dict(zip(hits.ids, hits.scores.tolist(), strict=True))
    qrels = {query: dict(judged) for query, judged in corpus.qrels("test").items()}
    metric = ir_measures.nDCG @ 10
    assert ir_measures.calc_aggregate([metric], qrels, run)[metric] == pytest.approx(expected, abs=0.005)
