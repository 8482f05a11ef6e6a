from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from support.benchmark_figures import facts, measured_cells, report

from rerankd.benchmarking.report import Report, figures_of


def test_figures_of_a_subject() -> None:
    (found,) = figures_of(measured_cells(), [50.5, 500.5])
    small, large, crowd, stream, left_out = found.cases
    assert (small.calls, small.p50_ms, small.p99_ms) == (30, pytest.approx(12), pytest.approx(12))
    assert small.pairs_per_second == pytest.approx(10 / 0.012)
    assert (large.padding_share, crowd.callers) == (pytest.approx(0.2), 4)
    assert stream.first_score_p50_ms == pytest.approx(20.2)
    assert (left_out.calls, left_out.p50_ms, left_out.pairs_per_second) == (0, None, None)
    assert left_out.left_out == "a call would take about 9 s"
    assert found.best_pairs_per_second == pytest.approx(200 / 0.202)


def test_the_fit_is_of_lone_unary_calls_and_says_what_fits() -> None:
    (found,) = figures_of(measured_cells(), [50.5, 500.5])
    assert found.fit is not None
    assert (found.fit.calls, found.fit.most_documents) == (35, 100)
    assert found.fit.seconds(50) == pytest.approx(0.052)
    assert [(room.candidates, room.extrapolated) for room in found.room] == [(48, False), (498, True)]


def test_subjects_are_told_apart_though_their_names_are_the_same() -> None:
    one, other = figures_of([*measured_cells(), *measured_cells()], [])
    assert one.name == other.name
    assert len(one.cases) == len(other.cases) == 5


def test_the_json_says_all_and_can_be_read_again() -> None:
    content = report(notes=["a note"]).as_json()
    text = json.dumps(content)
    again = TypeAdapter(Report).validate_json(text)
    assert json.loads(json.dumps(again.as_json())) == content
    assert content["schema_version"] == 1
    assert content["subjects"][0]["facts"]["precision"] == "fp32"


@given(st.floats(1e-9, 1e9))
def test_numbers_keep_four_digits(value: float) -> None:
    told = report(seconds=value).as_json()["seconds"]
    assert told == pytest.approx(value, rel=1e-3)
    assert len(f"{told:.15g}".lstrip("-").replace(".", "").split("e")[0].strip("0")) <= 4


def test_what_nothing_was_measured_of_has_no_fit() -> None:
    (found,) = figures_of(measured_cells(facts("int8"))[-1:], [50.0])
    assert (found.fit, found.room, found.best_pairs_per_second) == (None, [], 0)
