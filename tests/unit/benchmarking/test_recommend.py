from __future__ import annotations

import tomllib

import pytest
from support.benchmark_figures import facts, subject

from rerankd.benchmarking.recommend import choose_lanes, choose_precision, recommendation, speed_ratio
from rerankd.benchmarking.report import Closeness
from rerankd.config import Config

EXACT = subject({(10, 1): 100, (100, 1): 200, (100, 4): 210})


def close(overlap: float) -> Closeness:
    return Closeness(
        subject="test/model int8",
        compared_with="test/model fp32",
        requests=10,
        top10_overlap=overlap,
        mean_drift=0.001,
        max_drift=0.02,
    )


def faster(factor: float) -> list[object]:
    rates = {(10, 1): 100 * factor, (100, 1): 200 * factor, (100, 4): 210 * factor}
    return [EXACT, subject(rates, facts("int8"))]


def test_a_ratio_is_over_the_cases_that_both_have() -> None:
    other = subject({(10, 1): 200, (100, 1): 500, (1000, 1): 9999})
    assert speed_ratio(other, EXACT) == pytest.approx(2.25)
    assert speed_ratio(other, EXACT, crowded=True) is None
    assert speed_ratio(subject({(100, 4): 420, (10, 1): 1}), EXACT, crowded=True) == pytest.approx(2)


def test_one_case_that_something_else_disturbed_does_not_decide() -> None:
    disturbed = subject({(10, 1): 200, (100, 1): 400, (100, 4): 2}, facts("int8"))
    assert choose_precision([EXACT, disturbed])[0] is disturbed


@pytest.mark.parametrize(("factor", "wanted"), [(2.0, "int8"), (1.2, "int8"), (1.1, "fp32"), (0.5, "fp32")])
def test_a_coarser_precision_has_to_be_faster(factor: float, wanted: str) -> None:
    chosen, reasons = choose_precision(faster(factor))
    assert chosen.facts.precision == wanted
    assert f"{factor:.2f} times" in reasons[0]
    assert ("--queries" in reasons[0]) == (wanted == "int8")


@pytest.mark.parametrize(("overlap", "wanted"), [(0.95, "int8"), (0.8, "fp32")])
def test_and_near_enough_on_the_callers_own_data(overlap: float, wanted: str) -> None:
    chosen, reasons = choose_precision(faster(2.0), [close(overlap)])
    assert chosen.facts.precision == wanted
    assert f"{overlap:.0%} of the first ten" in reasons[0]


def test_the_fastest_of_several_wins() -> None:
    half = subject({(10, 1): 150, (100, 1): 300}, facts("fp16"))
    assert choose_precision([*faster(2.0), half])[0].facts.precision == "int8"
    assert choose_precision([EXACT, half, faster(2.0)[1]])[0].facts.precision == "int8"


def test_what_was_not_measured_is_not_recommended() -> None:
    chosen, reasons = choose_precision([EXACT, subject({}, facts("int8"))])
    assert chosen is EXACT
    assert reasons == ["int8 was not compared: there was no time for it"]


@pytest.mark.parametrize(
    ("lanes", "crowded", "wanted"),
    [(2, 300.0, 2), (2, 98.0, 2), (2, 90.0, 1), (16, 110.0, 1), (16, 120.0, 16)],
)
def test_lanes_are_chosen_by_several_callers_and_as_a_load_does(
    lanes: int, crowded: float, wanted: int
) -> None:
    one = subject({(100, 1): 100, (100, 4): 100}, facts(lanes=1))
    more = subject({(100, 1): 9999, (100, 4): crowded}, facts(lanes=lanes))
    for trials in ([one, more], [more, one]):
        chosen, reasons = choose_lanes(trials)
        assert chosen.facts.lanes == wanted
        assert f"{crowded / 100:.2f} times" in reasons[0]


def test_settings_are_those_of_a_server() -> None:
    found = recommendation(faster(2.0)[1], ["because"])
    config = Config.model_validate(tomllib.loads(found.toml))
    assert (config.model, config.onnx.precision) == ("test/model", "int8")
    assert (config.onnx.lanes, config.onnx.batch_tokens) == (2, 512)
    assert (found.precision, found.lanes, found.batch_tokens) == ("int8", 2, 512)


def test_a_directory_is_not_told() -> None:
    found = recommendation(subject({(10, 1): 1}, facts(model_setting="")), [])
    assert "model" not in tomllib.loads(found.toml)
