"""What is chosen from a measurement, that it is made once, and that the operator's word is not measured."""

from __future__ import annotations

import itertools
import logging
import threading
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.onnx_models import build_model, model_files

from rerankd.backends.onnx import OnnxBackend, OnnxSettings, load, tuned_sessions
from rerankd.backends.onnx.tuning import Measurement, Tuning, TuningCache, choose, measure


def load_it(directory: Path, **settings: object) -> OnnxBackend:
    return load(model_files(directory), OnnxSettings(**settings), lambda *_: None)  # type: ignore[arg-type]


MEASURED = "measured how the model runs best"

tunings = st.builds(Tuning, st.sampled_from([1, 2, 8]), st.sampled_from([256, 512, 1024]))


@given(st.dictionaries(tunings, st.floats(1.0, 1e6), min_size=1))
def test_the_choice_was_tried_and_loses_little(rates: dict[Tuning, float]) -> None:
    chosen = choose(rates)
    assert chosen in rates
    best = max(rates.values())
    assert rates[chosen] >= 0.9 * best / 1.21
    fewest = min(tuning.lanes for tuning in rates)
    if chosen.lanes > 4 and fewest == 1:
        assert best >= 1.14 * max(rate for tuning, rate in rates.items() if tuning.lanes == 1)


@pytest.mark.parametrize(
    ("rates", "chosen"),
    [
        # Two lanes that are as fast as one of two threads: a busy neighbour would slow the one down more.
        ({Tuning(1, 512): 10_000, Tuning(2, 512): 9_700}, Tuning(2, 512)),
        ({Tuning(1, 512): 10_000, Tuning(2, 512): 9_000}, Tuning(1, 512)),
        # Many lanes that bring 10 % are not worth the wait of a lone request; half as much again is.
        ({Tuning(1, 512): 10_000, Tuning(8, 512): 11_000}, Tuning(1, 512)),
        ({Tuning(1, 512): 100_000, Tuning(8, 512): 150_000}, Tuning(8, 512)),
        # 1,024 tokens take 0.1 s here: 512 are nearly as good and halve the wait.
        ({Tuning(1, 256): 7_000, Tuning(1, 512): 9_500, Tuning(1, 1024): 10_000}, Tuning(1, 512)),
        # The best one takes 50 ms: what brings 4 % more is worth 10 ms to everybody else.
        (
            {Tuning(2, 256): 19_900, Tuning(2, 384): 20_700, Tuning(2, 512): 20_800, Tuning(2, 1024): 20_000},
            Tuning(2, 384),
        ),
        # They take 10 ms here: nobody notices.
        ({Tuning(1, 512): 95_000, Tuning(1, 1024): 100_000}, Tuning(1, 1024)),
    ],
)
def test_usual_cases(rates: dict[Tuning, float], chosen: Tuning) -> None:
    assert choose(rates) == chosen


def test_lanes_run_side_by_side_and_everybody_has_turns() -> None:
    together = threading.Barrier(3, timeout=30)
    alone = itertools.count()

    def in_company() -> int:
        together.wait()
        return 10

    def by_itself() -> int:
        next(alone)
        return 5

    measured = measure({Tuning(3, 256): [in_company] * 3, Tuning(1, 256): [by_itself]}, seconds=0.0)
    assert all(rate > 0 for rate in measured.rates.values())
    assert measured.is_steady  # One round agrees with itself.
    assert next(alone) >= 2


def test_a_result_is_worth_keeping_if_usual_rounds_say_the_same() -> None:
    one, two = Tuning(1, 512), Tuning(2, 512)
    quiet = Measurement({one: [99, 100, 98], two: [150, 148, 149]})
    assert (quiet.is_steady, choose(quiet.rates)) == (True, two)
    # Somebody else took a core in most rounds of the second: its best round tells what it can do.
    disturbed = Measurement({one: [99, 100, 98], two: [150, 80, 70]})
    assert (disturbed.is_steady, choose(disturbed.rates)) == (False, two)


def test_a_result_that_cannot_be_trusted_is_not_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(tuned_sessions, "available_cores", lambda: 2)
    directory = build_model(tmp_path / "model")
    for steady, times in ((False, 1), (True, 2), (False, 2)):
        slow = 2.0 if steady else 0.5
        measured = Measurement({Tuning(2, 512): [2.0, slow, slow], Tuning(1, 512): [1.0]})
        monkeypatch.setattr(tuned_sessions, "measure", lambda *_, result=measured: result)
        description = load_it(directory, lanes=0, cache_dir=tmp_path / "cache").description
        assert (description.lanes, description.batch_tokens) == (2, 512)
        assert caplog.text.count(MEASURED) == times


def test_a_lane_that_fails_fails_the_measurement() -> None:
    def broken() -> int:
        raise RuntimeError("no memory")

    with pytest.raises(RuntimeError, match="no memory"):
        measure({Tuning(2, 256): [lambda: 1, broken]}, seconds=0.0)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"lanes": 0, "batch_tokens": 5}', b'{"lanes": true}', b"\xff"]
)
def test_a_damaged_result_is_no_result(tmp_path: Path, content: bytes) -> None:
    kept = TuningCache(tmp_path, "model")
    kept.write(Tuning(2, 512))
    assert kept.read() == Tuning(2, 512)
    (file,) = tmp_path.iterdir()
    file.write_bytes(content)
    assert kept.read() is None


def test_results_of_other_models_are_other_results(tmp_path: Path) -> None:
    TuningCache(tmp_path, "ab", "c").write(Tuning(2, 512))
    assert TuningCache(tmp_path, "a", "bc").read() is None


def test_a_disk_that_keeps_nothing_costs_no_load(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("in the way")
    TuningCache(tmp_path / "file", "model").write(Tuning(1, 512))
    assert "cannot be kept" in caplog.text
    TuningCache(None, "model").write(Tuning(1, 512))
    assert TuningCache(None, "model").read() is None


def test_a_model_is_measured_at_its_first_load(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(tuned_sessions, "available_cores", lambda: 2)
    # One round: it agrees with itself however busy the machine is.
    monkeypatch.setattr(tuned_sessions, "measure", partial(measure, seconds=0.0))
    directory = build_model(tmp_path / "model")
    first = load_it(directory, lanes=0, cache_dir=tmp_path / "cache").description
    assert caplog.text.count(MEASURED) == 1
    again = load_it(directory, lanes=0, cache_dir=tmp_path / "cache").description
    assert caplog.text.count(MEASURED) == 1
    assert (first.lanes, first.batch_tokens) == (again.lanes, again.batch_tokens)
    assert first.lanes in (1, 2)
    load_it(directory, lanes=0, batch_tokens=300, cache_dir=tmp_path / "cache")
    assert caplog.text.count(MEASURED) == 2


def test_what_is_known_is_opened_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each start pays for what it opens."""
    monkeypatch.setattr(tuned_sessions, "available_cores", lambda: 2)
    measured = Measurement({Tuning(2, 512): [2.0], Tuning(1, 512): [1.0]})
    monkeypatch.setattr(tuned_sessions, "measure", lambda *_: measured)
    opened: list[int] = []
    open_sessions = tuned_sessions.open_sessions

    def counting(source: object, settings: OnnxSettings, *rest: object) -> object:
        opened.append(settings.lanes)
        return open_sessions(source, settings, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(tuned_sessions, "open_sessions", counting)
    directory = build_model(tmp_path / "model")
    for wanted in ([1, 2], [2]):
        opened.clear()
        assert load_it(directory, lanes=0, cache_dir=tmp_path / "cache").description.lanes == 2
        assert opened == wanted


def test_what_the_operator_says_is_not_measured(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    backend = load_it(build_model(tmp_path / "model"), lanes=2, cache_dir=tmp_path / "cache")
    assert (backend.description.lanes, backend.description.batch_tokens) == (2, 512)
    assert MEASURED not in caplog.text


@pytest.mark.parametrize(("most_bytes", "tried"), [(1 << 30, {1, 2, 8}), (1, {1, 8})])
def test_a_model_that_is_too_large_for_copies_runs_in_one_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most_bytes: int, tried: set[int]
) -> None:
    """Lanes of one thread share a session, so that they are tried all the same."""
    monkeypatch.setattr(tuned_sessions, "available_cores", lambda: 8)
    monkeypatch.setattr(tuned_sessions, "_MOST_COPIES_BYTES", most_bytes)
    seen: set[int] = set()

    def note(candidates: dict[Tuning, object]) -> Measurement:
        seen.update(tuning.lanes for tuning in candidates)
        return Measurement({tuning: [1.0] for tuning in candidates})

    monkeypatch.setattr(tuned_sessions, "measure", note)
    load_it(build_model(tmp_path / "model"), lanes=0)
    assert seen == tried
