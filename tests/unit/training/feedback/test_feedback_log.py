"""The feedback log: what it keeps, refuses, forgets and repairs."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from support.feedback import clicked, rated, shown

from rerankd.config.training import FeedbackConfig
from rerankd.core.errors import InvalidRequestError
from rerankd.training.feedback import FeedbackLog, FeedbackReader, LogInUseError, Purge, Recovery
from rerankd.training.feedback import log as log_module
from rerankd.training.feedback import writer as writer_module
from rerankd.training.types import FeedbackEvent, FeedbackKind, ShownDocument

PLAIN = FeedbackConfig()
DAY = 86_400.0


def ids(reader: FeedbackReader, corpus_id: str = "") -> list[str]:
    return [event.id for event in reader.events(corpus_id)]


def test_events_come_back_as_they_were_told(tmp_path: Path) -> None:
    document = ShownDocument(id="d1", text="Über\nalles \x85 ", rank=3, score=0.25)
    told = [
        FeedbackEvent(
            id="e1",
            time=5.5,
            kind=FeedbackKind.SHOWN,
            request_id="r1",
            corpus_id="c",
            query="wie geht\u2028das?",
            shown=(document,),
        ),
        FeedbackEvent(
            id="e2",
            time=6.0,
            kind=FeedbackKind.RATED,
            request_id="r1",
            corpus_id="c",
            document=document,
            rating=0.0,
        ),
    ]
    with FeedbackLog(tmp_path, PLAIN) as log:
        assert log.append(told).accepted == ("e1", "e2")
        assert list(log.events()) == told
        assert log.recent(1) == told[1:]
        assert log.recent(9) == told[::-1]
        assert log.recent(0) == []
    assert list(FeedbackReader(tmp_path).events()) == told


def test_what_is_left_open_is_filled_in(tmp_path: Path) -> None:
    with FeedbackLog(tmp_path, PLAIN, clock=lambda: 77.0) as log:
        (made,) = log.append([replace(shown("r", "q", ["a", "b"]), id="", time=0.0)]).accepted
        (event,) = log.events()
    assert event.id == made
    assert len(made) == 32
    assert event.time == 77.0
    assert [document.rank for document in event.shown] == [1, 2]


def test_an_event_is_kept_once(tmp_path: Path) -> None:
    first, second = shown("r1", "q", ["a"]), clicked("r1", "a")
    with FeedbackLog(tmp_path, PLAIN) as log:
        log.append([first])
        result = log.append([first, second, second])
        assert result.accepted == (second.id,)
        assert result.duplicates == (first.id, second.id)
    with FeedbackLog(tmp_path, PLAIN) as log:
        assert log.append([second]).duplicates == (second.id,)
        assert ids(log) == [first.id, second.id]


def test_ids_are_remembered_in_bounded_memory() -> None:
    from rerankd.training.feedback.seen import SeenIds

    seen = SeenIds(capacity=2)
    for name in "abc":
        seen.add(name)
    assert [name in seen for name in "abc"] == [False, True, True]


@pytest.mark.parametrize(
    ("event", "field"),
    [
        (replace(shown("r", "q", []), query=" "), "query"),
        (replace(shown("r", "q", []), query="q" * 8193), "query"),
        (replace(shown("r", "q", []), query="\ud800"), "query"),
        (replace(shown("r", "q", []), request_id=""), "request_id"),
        (replace(shown("r", "q", []), request_id="a\nb"), "request_id"),
        (replace(shown("r", "q", []), id="x" * 513), "id"),
        (replace(shown("r", "q", []), corpus_id="../up"), "corpus_id"),
        (replace(shown("r", "q", []), corpus_id="c\n"), "corpus_id"),
        (replace(shown("r", "q", []), time=float("nan")), "time"),
        (replace(shown("r", "q", []), time=-1.0), "time"),
        (replace(shown("r", "q", []), hashed=True), "hashed"),
        (replace(shown("r", "q", []), rating=1.0), "rating"),
        (replace(shown("r", "q", []), document=ShownDocument(id="a")), "document"),
        (shown("r", "q", ["a", "a"]), "shown[1].id"),
        (shown("r", "q", [""]), "shown[0].id"),
        (shown("r", "q", [f"d{i}" for i in range(1001)]), "shown"),
        (
            replace(
                shown("r", "q", []), shown=(ShownDocument(id="a", rank=2), ShownDocument(id="b", rank=1))
            ),
            "shown",
        ),
        (replace(shown("r", "q", []), shown=(ShownDocument(id="a", score=float("inf")),)), "shown[0].score"),
        (replace(clicked("r", "a"), document=None), "document"),
        (replace(clicked("r", "a"), rating=0.5), "rating"),
        (replace(clicked("r", "a"), shown=(ShownDocument(id="a"),)), "shown"),
        (replace(clicked("r", "a"), document=ShownDocument(id="a", rank=-1)), "document.rank"),
        (replace(clicked("r", "a"), document=ShownDocument(id="a", text="x" * 262_145)), "document.text"),
        (rated("r", "a", 1.1), "rating"),
        (rated("r", "a", float("nan")), "rating"),
        (replace(rated("r", "a", 1.0), rating=None), "rating"),
    ],
)
def test_an_event_out_of_bounds_is_refused_by_name_and_nothing_of_its_call_is_kept(
    tmp_path: Path, event: FeedbackEvent, field: str
) -> None:
    with FeedbackLog(tmp_path, PLAIN) as log:
        with pytest.raises(InvalidRequestError) as refusal:
            log.append([shown("other", "q", ["a"]), event])
        assert refusal.value.field == f"events[1].{field}"
        assert ids(log) == []


def test_an_event_that_is_too_long_as_a_whole_is_refused(tmp_path: Path) -> None:
    long = tuple(ShownDocument(id=f"d{i}", text="x" * 200_000) for i in range(6))
    with FeedbackLog(tmp_path, PLAIN) as log, pytest.raises(InvalidRequestError, match="1048576") as refusal:
        log.append([replace(shown("r", "q", []), shown=long)])
    assert refusal.value.field == "events[0]"


def test_too_many_events_are_refused(tmp_path: Path) -> None:
    with FeedbackLog(tmp_path, PLAIN) as log, pytest.raises(InvalidRequestError, match="1000"):
        log.append([clicked("r", "a", event_id=f"e{i}") for i in range(1001)])


def test_there_is_one_writer(tmp_path: Path) -> None:
    with FeedbackLog(tmp_path, PLAIN), pytest.raises(LogInUseError):
        FeedbackLog(tmp_path, PLAIN)
    log = FeedbackLog(tmp_path, PLAIN)
    log.close()
    log.close()
    with pytest.raises(ValueError, match="closed"):
        log.append([clicked("r", "a")])


def test_nobody_else_on_the_machine_can_read_it(tmp_path: Path) -> None:
    directory = tmp_path / "feedback"
    with FeedbackLog(directory, PLAIN) as log:
        log.append([shown("r", "q", ["a"])])
    assert directory.stat().st_mode & 0o077 == 0
    assert not [path for path in directory.iterdir() if path.stat().st_mode & 0o077]


def test_a_hashed_log_keeps_no_text(tmp_path: Path) -> None:
    with FeedbackLog(tmp_path, FeedbackConfig(text="hashed")) as log:
        log.append([shown("r", "Secret  question", ["a"]), clicked("r", "a")])
        first, second = log.events()
        assert first.hashed
        assert (
            first.query
            == log.query_digest("secret question")
            == FeedbackReader(tmp_path).query_digest("Secret question")
        )
        assert [document.id for document in first.shown] == ["a"]
        assert second.document == ShownDocument(id="a")
        on_disk = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        assert b"question" not in on_disk
        assert b"text of" not in on_disk
    other = tmp_path / "other"
    with FeedbackLog(other, PLAIN) as log:
        assert log.query_digest("secret question") != first.query, "the key is the log's own"


def small_files(monkeypatch: pytest.MonkeyPatch, unit: int) -> None:
    """Makes a MiB of the settings as many bytes."""
    monkeypatch.setattr(log_module, "_MIB", unit)


def test_the_log_is_rotated_and_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_files(monkeypatch, 1000)
    with FeedbackLog(tmp_path, FeedbackConfig(segment_mib=1, max_mib=4)) as log:
        told = [shown(f"r{i}", f"query {i}", ["a"]) for i in range(60)]
        for event in told:
            log.append([event])
            assert sum(path.stat().st_size for path in tmp_path.glob("*.jsonl")) <= 4000
        kept = ids(log)
        assert 15 < len(kept) < 60
        assert kept == [event.id for event in told][-len(kept) :], "the oldest went"
        assert log.statistics().segments == 4
        assert log.statistics().bytes <= 4000


def test_the_bound_holds_for_a_log_of_one_large_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_files(monkeypatch, 300)
    with FeedbackLog(tmp_path, FeedbackConfig(segment_mib=1, max_mib=1)) as log:
        for i in range(4):
            log.append([shown(f"r{i}", f"query {i}", ["a"])])
        assert ids(log) == ["shown-r3"]


def test_what_is_old_goes(tmp_path: Path) -> None:
    now = [1_000_000.0]
    with FeedbackLog(tmp_path, FeedbackConfig(max_age_days=10), clock=lambda: now[0]) as log:
        log.append([clicked("r1", "a")])
        now[0] += 9 * DAY
        log.append([clicked("r2", "a")])
        now[0] += DAY
        log.append([clicked("r3", "a")])
        assert ids(log) == ["clicked-r2-a", "clicked-r3-a"]
        now[0] += 30 * DAY
        log.expire()
        assert ids(log) == []
        log.append([clicked("r4", "a")])
        assert ids(log) == ["clicked-r4-a"]


def test_without_a_longest_age_nothing_is_old(tmp_path: Path) -> None:
    now = [0.0]
    with FeedbackLog(tmp_path, PLAIN, clock=lambda: now[0]) as log:
        log.append([clicked("r1", "a")])
        now[0] += 10_000 * DAY
        log.append([clicked("r2", "a")])
        assert len(ids(log)) == 2


def test_a_torn_line_is_cut_off_reported_and_harms_nothing(tmp_path: Path) -> None:
    with FeedbackLog(tmp_path, PLAIN) as log:
        log.append([shown("r1", "q", ["a"])])
        assert log.recovery == Recovery()
    (file,) = tmp_path.glob("*.jsonl")
    with file.open("ab") as torn:
        torn.write(b'{"id":"half')
    assert ids(FeedbackReader(tmp_path)) == ["shown-r1"]
    with FeedbackLog(tmp_path, PLAIN) as log:
        assert log.recovery == Recovery(torn_bytes=11)
        log.append([shown("r2", "q", ["a"])])
        assert ids(log) == ["shown-r1", "shown-r2"]
        assert log.statistics().unreadable_lines == 0


def test_lines_that_are_no_event_are_counted_and_left_out(tmp_path: Path) -> None:
    with FeedbackLog(tmp_path, PLAIN) as log:
        log.append([shown("r1", "q", ["a"])])
        (file,) = tmp_path.glob("*.jsonl")
        with file.open("ab") as foreign:
            foreign.write(b'\x00\x00\n[]\n{"id": 3}\n{"id":"a","shown":4}\n' + b"[" * 100_000 + b"\n")
        log.append([shown("r2", "q", ["a"])])
        assert ids(log) == ["shown-r1", "shown-r2"]
        assert log.statistics().unreadable_lines == 5


def test_a_full_disk_keeps_nothing_and_the_log_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = writer_module.os.write

    def half(descriptor: int, block: memoryview) -> int:
        real(descriptor, block[: len(block) // 2])
        raise OSError(28, "No space left on device")

    with FeedbackLog(tmp_path, PLAIN) as log:
        log.append([shown("r1", "q", ["a"])])
        with monkeypatch.context() as patch:
            patch.setattr(writer_module.os, "write", half)
            with pytest.raises(OSError, match="No space"):
                log.append([shown("r2", "q", ["a"])])
        assert ids(log) == ["shown-r1"]
        assert log.append([shown("r2", "q", ["a"])]).accepted == ("shown-r2",)
        assert ids(log) == ["shown-r1", "shown-r2"]


def test_threads_append_and_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_files(monkeypatch, 2000)
    with FeedbackLog(tmp_path, FeedbackConfig(segment_mib=1, max_mib=1000)) as log:

        def work(name: int) -> None:
            for i in range(20):
                log.append([clicked(f"r{i}", f"d{name}"), clicked(f"r{i}", "shared", event_id=f"shared-{i}")])
                list(log.events())
            if name == 1:
                log.purge(Purge(document_ids=["d2"]))

        threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        log.purge(Purge(document_ids=["d2"]))
        kept = ids(log)
    assert len(kept) == len(set(kept)) == 20 * 4
    assert not [name for name in kept if name.endswith("-d2")]


def test_statistics(tmp_path: Path) -> None:
    with FeedbackLog(tmp_path, PLAIN) as log:
        log.append(
            [
                shown("r1", "How to fly", ["a", "b"], time=10.0),
                clicked("r1", "b"),
                clicked("r1", "a"),
                shown("r2", "how  to FLY", ["a"]),
                shown("r3", "nothing", []),
                shown("r4", "Nothing", ["c"]),
                shown("r5", "ignored", ["c"]),
                rated("r5", "c", 0.0),
                shown("r6", "elsewhere", [], corpus="other"),
            ]
        )
        found = log.statistics("manuals")
        assert found.events == {"shown": 5, "clicked": 2, "rated": 1}
        assert (found.requests, found.queries, found.clicked_requests, found.empty_requests) == (5, 3, 1, 1)
        assert [(hit.query, hit.requests, hit.empty) for hit in found.no_hits] == [
            ("nothing", 2, 1),
            ("ignored", 1, 0),
        ]
        assert found.no_hit_queries == 2
        assert (found.first_time, found.last_time) == (1.0, 10.0)
        assert log.statistics().requests == 6
        assert len(list(log.lines("other"))) == 1
    assert FeedbackReader(tmp_path / "none").statistics().first_time is None


EVERYTHING = [
    shown("r1", "How to fly?", ["a", "b"]),
    clicked("r1", "a"),
    shown("r2", "how to swim", ["b"]),
    clicked("r2", "b"),
    rated("r2", "b", 1.0),
    shown("r3", "How  to FLY?", ["c"], corpus="other"),
    clicked("r3", "c", corpus="other"),
]


@pytest.mark.parametrize(
    ("purge", "left"),
    [
        (Purge(event_ids=["clicked-r1-a"]), [0, 2, 3, 4, 5, 6]),
        (Purge(request_ids=["r1", "r3"]), [2, 3, 4]),
        (Purge(document_ids=["a"]), [0, 2, 3, 4, 5, 6]),
        (Purge(document_ids=["b"]), [0, 1, 5, 6]),
        (Purge(queries=["how TO fly?"]), [2, 3, 4]),
        (Purge(queries=["how to fly?"], corpus_id="manuals"), [2, 3, 4, 5, 6]),
        (Purge(everything=True, corpus_id="other"), [0, 1, 2, 3, 4]),
        (Purge(everything=True), []),
        (Purge(event_ids=["no such"]), [0, 1, 2, 3, 4, 5, 6]),
    ],
)
@pytest.mark.parametrize("text", ["plain", "hashed"])
def test_purge(tmp_path: Path, purge: Purge, left: list[int], text: str) -> None:
    with FeedbackLog(tmp_path, FeedbackConfig.model_validate({"text": text})) as log:
        log.append(EVERYTHING)
        result = log.purge(purge)
        assert ids(log) == [EVERYTHING[place].id for place in left]
        assert result.events == len(EVERYTHING) - len(left)
        log.append([clicked("r9", "z")])
        assert ids(log)[-1] == "clicked-r9-z"
    assert ids(FeedbackReader(tmp_path))[-1] == "clicked-r9-z"


def test_a_list_loses_the_purged_document_and_keeps_the_ranks_of_the_others(tmp_path: Path) -> None:
    with FeedbackLog(tmp_path, PLAIN) as log:
        log.append([shown("r1", "q", ["a", "b", "c"])])
        result = log.purge(Purge(document_ids=["b"]))
        assert (result.events, result.redacted) == (0, 1)
        (event,) = log.events()
        assert [(document.id, document.rank) for document in event.shown] == [("a", 1), ("c", 3)]
        assert all(b"text of b" not in path.read_bytes() for path in tmp_path.iterdir())


def test_a_purge_of_nothing_is_refused(tmp_path: Path) -> None:
    with FeedbackLog(tmp_path, PLAIN) as log, pytest.raises(InvalidRequestError, match="names nothing"):
        log.purge(Purge(corpus_id="manuals"))


def test_clear(tmp_path: Path) -> None:
    with FeedbackLog(tmp_path, PLAIN) as log:
        assert log.clear().events == 0
        log.append(EVERYTHING)
        assert log.clear("other").events == 2
        assert log.clear().events == 5
        assert ids(log) == []
        log.append([clicked("r9", "z")])
        assert ids(log) == ["clicked-r9-z"]
