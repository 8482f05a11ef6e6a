"""Corpora: what is imported, how, and what is refused."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from support.feedback import CORPUS, clicked, rated, shown

from rerankd.config.training import FeedbackConfig
from rerankd.core.errors import CorpusNotFoundError, InvalidRequestError
from rerankd.training.corpora import (
    Corpus,
    CorpusDocument,
    CorpusLimits,
    CorpusQuery,
    CorpusStore,
    Judgment,
    TableSources,
)
from rerankd.training.feedback import FeedbackLog
from rerankd.training.layout import Layout

DOCUMENTS = [
    CorpusDocument(id="d1", title="Wings", text="How wings lift"),
    CorpusDocument(id="d2", text="Tails and\nrudders"),
    CorpusDocument(id="d3"),
]
QUERIES = [CorpusQuery(id="1", text="what lifts"), CorpusQuery(id="2", text="what steers")]
JUDGMENTS = [
    Judgment(split="train", query_id="1", document_id="d1", score=1),
    Judgment(split="test", query_id="2", document_id="d2", score=2),
    Judgment(split="test", query_id="2", document_id="d1", score=0),
]


@pytest.fixture
def store(tmp_path: Path) -> CorpusStore:
    return CorpusStore(Layout(tmp_path / "learning"))


def write_lines(path: Path, records: Sequence[Mapping[str, object]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = "".join(json.dumps(record) + "\n" for record in records).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def test_a_corpus_comes_back_as_it_was_made(store: CorpusStore, tmp_path: Path) -> None:
    report = store.create("a.corpus-1", DOCUMENTS, QUERIES, JUDGMENTS)
    assert (report.documents, report.queries, report.judgments, report.dropped) == (3, 2, 3, {})
    corpus = store.get("a.corpus-1")
    assert list(corpus.documents()) == DOCUMENTS
    assert corpus.queries == {"1": "what lifts", "2": "what steers"}
    assert corpus.qrels("test") == {"2": {"d2": 2, "d1": 0}}
    assert corpus.qrels("train") == {"1": {"d1": 1}}
    assert corpus.document_ids() == ("d1", "d2", "d3")
    assert corpus.documents_by_id(["d3", "d1", "no"]) == {"d3": DOCUMENTS[2], "d1": DOCUMENTS[0]}
    assert DOCUMENTS[0].content == "Wings How wings lift"
    assert store.ids() == ["a.corpus-1"]
    assert sorted(path.name for path in corpus.directory.iterdir()) == [
        "corpus.jsonl",
        "qrels",
        "queries.jsonl",
    ]


def test_a_corpus_is_replaced_only_on_demand_and_deleted(store: CorpusStore) -> None:
    store.create("c", DOCUMENTS)
    with pytest.raises(InvalidRequestError, match="exists") as refusal:
        store.create("c", DOCUMENTS[:1])
    assert refusal.value.field == "corpus_id"
    old = store.get("c").digest
    store.create("c", DOCUMENTS[:1], replace=True)
    assert store.get("c").document_ids() == ("d1",)
    assert store.get("c").digest != old
    store.delete("c")
    assert store.ids() == []
    with pytest.raises(CorpusNotFoundError):
        store.get("c")
    with pytest.raises(CorpusNotFoundError):
        store.delete("c")


@pytest.mark.parametrize("corpus_id", ["", "..", "../up", "a/b", "A", ".hidden", "x" * 65, "c\n"])
def test_no_id_leads_anywhere_else(store: CorpusStore, corpus_id: str) -> None:
    for call in (store.get, store.delete, lambda name: store.create(name, DOCUMENTS)):
        with pytest.raises(InvalidRequestError) as refusal:
            call(corpus_id)
        assert refusal.value.field == "corpus_id"


def test_a_failed_import_leaves_nothing_and_harms_nothing(store: CorpusStore) -> None:
    store.create("c", DOCUMENTS)

    def broken() -> Iterator[CorpusDocument]:
        yield DOCUMENTS[0]
        raise RuntimeError("the source went away")

    for name in ("c", "new"):
        with pytest.raises(RuntimeError):
            store.create(name, broken(), replace=True)
    assert store.ids() == ["c"]
    assert store.get("c").document_ids() == ("d1", "d2", "d3")
    assert [p.name for p in store._layout.corpora.iterdir() if p.name.startswith(".")] == [".lock"]


def test_what_a_crash_leaves_is_cleared_up(store: CorpusStore) -> None:
    store.create("c", DOCUMENTS)
    folder = store._layout.corpora
    # Killed between moving the old one aside and the new one into place.
    (folder / "c").rename(folder / ".old-c")
    (folder / ".new-c-abc").mkdir()
    again = CorpusStore(store._layout)
    assert again.get("c").document_ids() == ("d1", "d2", "d3")
    assert sorted(p.name for p in folder.iterdir()) == [".lock", "c"]
    # Killed before the old one was deleted.
    (folder / ".old-c").mkdir()
    CorpusStore(store._layout)
    assert sorted(p.name for p in folder.iterdir()) == [".lock", "c"]


def test_what_another_process_is_writing_is_left_alone(store: CorpusStore) -> None:
    def documents() -> Iterator[CorpusDocument]:
        CorpusStore(store._layout)
        yield from DOCUMENTS

    store.create("c", documents())
    assert store.get("c").document_ids() == ("d1", "d2", "d3")


@pytest.mark.parametrize(
    ("documents", "queries", "limits", "field"),
    [
        ([CorpusDocument(id="", text="x")], [], {}, "corpus.jsonl:1._id"),
        ([CorpusDocument(id="a\tb", text="x")], [], {}, "corpus.jsonl:1._id"),
        ([CorpusDocument(id="a", text="\ud800")], [], {}, "corpus.jsonl:1.text"),
        ([*DOCUMENTS, DOCUMENTS[1]], [], {}, "corpus.jsonl:4._id"),
        (DOCUMENTS, [], {"max_document_bytes": 18}, "corpus.jsonl:1.text"),
        (DOCUMENTS, [], {"max_documents": 2}, "corpus.jsonl"),
        (DOCUMENTS, [], {"max_bytes": 60}, "corpus"),
        (DOCUMENTS, [CorpusQuery(id="1", text=" ")], {}, "queries.jsonl:1.text"),
        (DOCUMENTS, QUERIES, {"max_query_bytes": 10}, "queries.jsonl:2.text"),
        (DOCUMENTS, QUERIES, {"max_queries": 1}, "queries.jsonl"),
        (DOCUMENTS, QUERIES, {"max_judgments": 2}, "qrels"),
        ([], [], {}, "documents"),
    ],
)
def test_records_out_of_bounds_are_refused_by_name(
    tmp_path: Path,
    documents: list[CorpusDocument],
    queries: list[CorpusQuery],
    limits: dict[str, int],
    field: str,
) -> None:
    store = CorpusStore(Layout(tmp_path), CorpusLimits(**limits))
    with pytest.raises(InvalidRequestError) as refusal:
        store.create("c", documents, queries, JUDGMENTS)
    assert refusal.value.field == field
    assert store.ids() == []


def test_judgments_of_what_is_not_there_are_dropped_and_counted(store: CorpusStore) -> None:
    extra = [
        Judgment(split="train", query_id="1", document_id="gone", score=1),
        Judgment(split="train", query_id="9", document_id="d1", score=1),
    ]
    report = store.create("c", DOCUMENTS, QUERIES, [*JUDGMENTS, *extra])
    assert report.judgments == 3
    assert report.dropped == {"unknown_document": 1, "unknown_query": 1}


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_beir_folders_are_read(store: CorpusStore, tmp_path: Path, ending: str) -> None:
    source = tmp_path / "source"
    write_lines(
        source / f"corpus.jsonl{ending}",
        [{"_id": 7, "title": None, "text": "seven", "metadata": {}}, {"_id": "x", "text": "eks"}],
    )
    write_lines(source / f"queries.jsonl{ending}", [{"_id": "q", "text": "what is 7"}])
    (source / "qrels").mkdir()
    (source / "qrels" / "validation.tsv").write_text("q\t7\t-1\r\n\nq\tx\t1\n")
    report = store.import_beir("c", source)
    assert (report.documents, report.queries, report.judgments) == (2, 1, 2)
    assert store.get("c").qrels("dev") == {"q": {"7": 0, "x": 1}}
    # The folder itself can be looked at too.
    corpus = Corpus("elsewhere", source)
    assert corpus.documents_by_id(["x"])["x"].text == "eks"
    assert corpus.documents_by_id(["7"])["7"].text == "seven"


@pytest.mark.parametrize(
    ("name", "content", "field"),
    [
        ("corpus.jsonl", b'{"_id": "1"}\nnonsense\n', "corpus.jsonl:2"),
        ("corpus.jsonl", b'{"_id": "1"}\n[1]\n', "corpus.jsonl:2"),
        ("corpus.jsonl", b'{"_id": true}\n', "corpus.jsonl:1._id"),
        ("corpus.jsonl", b'{"_id": "1", "text": 3}\n', "corpus.jsonl:1.text"),
        ("corpus.jsonl.gz", b"no gzip", "corpus.jsonl.gz:1"),
        ("corpus.jsonl.gz", gzip.compress(b'{"_id": "1"}\n' * 2000)[:-20], None),
        ("corpus.jsonl", b"x" * (8 * 1024 * 1024 + 1), "corpus.jsonl:1"),
        ("queries.jsonl", b'{"_id": "1"}\n', "queries.jsonl:1.text"),
        ("qrels/test.tsv", b"1 2 3\n", "test.tsv:1"),
        ("qrels/test.tsv", b"1\td\thigh\n", "test.tsv:1.score"),
        ("qrels/test.tsv", b"1\td\t0.5\n", "test.tsv:1.score"),
        ("qrels/test.tsv", b"1\td\tinf\n", "test.tsv:1.score"),
        ("qrels/test.tsv", b"\xff\td\t1\n", "test.tsv:1"),
        ("qrels/holdout.tsv", b"1\td\t1\n", "qrels/holdout.tsv"),
    ],
)
def test_files_that_cannot_be_read_are_refused_by_name_and_line(
    store: CorpusStore, tmp_path: Path, name: str, content: bytes, field: str | None
) -> None:
    source = tmp_path / "source"
    (source / "qrels").mkdir(parents=True)
    if not name.startswith("corpus"):
        (source / "corpus.jsonl").write_bytes(b'{"_id": "d", "text": "t"}\n')
    (source / name).write_bytes(content)
    with pytest.raises(InvalidRequestError) as refusal:
        store.import_beir("c", source)
    if field is not None:
        assert refusal.value.field == field
    assert store.ids() == []


def test_a_folder_without_documents_is_refused(store: CorpusStore, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="neither"):
        store.import_beir("c", tmp_path)


def test_tables_of_records_are_read(store: CorpusStore, tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    documents = tmp_path / "documents.parquet"
    pyarrow.parquet.write_table(
        pyarrow.Table.from_pylist([{"id": i, "title": None, "text": f"text {i}"} for i in range(3000)]),
        documents,
    )
    queries = write_lines(tmp_path / "q.jsonl.gz", [{"id": "q", "query": "text 2999"}])
    judged = write_lines(
        tmp_path / "j.jsonl",
        [
            {"query_id": "q", "document_id": 2999, "label": True},
            {"query-id": "q", "corpus-id": "5", "score": 0},
        ],
    )
    sources = TableSources(documents=documents, queries=queries, judgments={"test": judged})
    report = store.import_tables("c", sources)
    assert (report.documents, report.queries, report.judgments) == (3000, 1, 2)
    assert store.get("c").qrels("test") == {"q": {"2999": 1, "5": 0}}


@pytest.mark.parametrize("name", ["pairs.jsonl", "pairs.jsonl.gz", "pairs.parquet"])
def test_pairs_become_a_corpus(store: CorpusStore, tmp_path: Path, name: str) -> None:
    rows: list[dict[str, object]] = [
        {"query": "a?", "passage": "A", "label": 1, "split": "test"},
        {"query": "a?", "passage": "B", "label": 0, "split": "test"},
        {"query": "b?", "passage": "B", "label": None, "split": None},
    ]
    path = tmp_path / name
    if path.suffix == ".parquet":
        import pyarrow
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    else:
        write_lines(path, rows)
    report = store.import_tables("c", TableSources(pairs=path))
    assert (report.documents, report.queries, report.judgments) == (2, 2, 3)
    corpus = store.get("c")
    texts = {document.id: document.text for document in corpus.documents()}
    named = {
        corpus.queries[query]: {texts[document]: score for document, score in judged.items()}
        for query, judged in corpus.qrels("test").items()
    }
    assert named == {"a?": {"A": 1, "B": 0}}


@pytest.mark.parametrize(
    ("sources", "field"),
    [
        (TableSources(), "documents"),
        (TableSources(documents=Path("a.jsonl"), pairs=Path("b.jsonl")), "documents"),
        (TableSources(queries=Path("a.jsonl"), pairs=Path("b.jsonl")), "pairs"),
        (TableSources(documents=Path("a.jsonl"), judgments={"test": Path("b.jsonl")}), "queries"),
        (TableSources(documents=Path("a.csv")), "a.csv"),
        (TableSources(documents=Path("missing.jsonl")), "missing.jsonl"),
    ],
)
def test_tables_that_do_not_go_together_are_refused(
    store: CorpusStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sources: TableSources, field: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.csv").touch()
    with pytest.raises(InvalidRequestError) as refusal:
        store.import_tables("c", sources)
    assert refusal.value.field == field


def test_a_broken_parquet_file_is_refused(store: CorpusStore, tmp_path: Path) -> None:
    (tmp_path / "p.parquet").write_bytes(b"PAR1 but no more")
    with pytest.raises(InvalidRequestError, match="Parquet"):
        store.import_tables("c", TableSources(pairs=tmp_path / "p.parquet"))


def test_a_corpus_out_of_feedback(store: CorpusStore, tmp_path: Path) -> None:
    with FeedbackLog(tmp_path / "log", FeedbackConfig()) as log:
        log.append(
            [
                shown("r1", "How to fly", ["a", "b", "c"]),
                clicked("r1", "b"),
                shown("r2", "how  to fly", ["a", "b"]),
                rated("r2", "a", 1.0),
                rated("r2", "c", 0.0),
                shown("r3", "other", ["z"], corpus="other"),
            ]
        )
        report = store.build_from_feedback(CORPUS, log)
        assert (report.documents, report.queries, report.judgments) == (3, 1, 3)
        with pytest.raises(InvalidRequestError, match="exists"):
            store.build_from_feedback(CORPUS, log)
    corpus = store.get(CORPUS)
    assert list(corpus.queries.values()) == ["how  to fly"]
    judged = [corpus.qrels(split) for split in ("train", "dev", "test")]
    assert [next(iter(qrels.values())) for qrels in judged if qrels] == [{"a": 2, "b": 1, "c": 0}]
    assert corpus.documents_by_id(["a"])["a"].text == "text of a"


def test_a_hashed_log_makes_no_corpus(store: CorpusStore, tmp_path: Path) -> None:
    with FeedbackLog(tmp_path / "log", FeedbackConfig(text="hashed")) as log:
        log.append([shown("r1", "How to fly", ["a"])])
        with pytest.raises(InvalidRequestError, match="plain"):
            store.build_from_feedback(CORPUS, log)
    assert store.ids() == []


def test_two_makers_of_one_corpus_do_not_mix(store: CorpusStore) -> None:
    def documents() -> Iterator[CorpusDocument]:
        store.create("c", DOCUMENTS[:1])
        yield from DOCUMENTS

    with pytest.raises(InvalidRequestError, match="exists"):
        store.create("c", documents())
    assert store.get("c").document_ids() == ("d1",)
