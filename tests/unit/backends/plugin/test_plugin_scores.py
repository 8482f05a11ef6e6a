from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from rerankd.backends.plugin.scores import NoScoresError, read_scores


@pytest.mark.parametrize(
    ("answer", "scores"),
    [
        ([1, -2.5], [1.0, -2.5]),
        ((0.25,), [0.25]),
        (np.array([1, 2], dtype=np.int64), [1.0, 2.0]),
        (np.array([0.5, -1.5], dtype=np.float16), [0.5, -1.5]),
        ([np.float32(0.5), np.int8(3)], [0.5, 3.0]),
        ([Fraction(1, 4)], [0.25]),
        ([], []),
    ],
)
def test_numbers_of_all_kinds_are_scores(answer: Any, scores: list[float]) -> None:
    got = read_scores(answer)
    assert got == scores
    assert {type(score) for score in got} <= {float}


def test_values_that_are_not_finite_are_for_the_core_to_judge() -> None:
    assert read_scores([math.inf])[0] == math.inf
    assert math.isnan(read_scores(np.array([np.nan]))[0])


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (None, "gave a NoneType, not a list"),
        ("0.5", "gave a str, not a list"),
        (b"12", "gave a bytes, not a list"),
        ({"a": 1.0}, "gave a dict, not a list"),
        ({1.0}, "gave a set, not a list"),
        (0.5, "gave a float, not a list"),
        (np.float32(0.5), "gave a float32, not a list"),
        ((score for score in [1.0]), "gave a generator, not a list"),
        ([0.5, None], "score 1 is a NoneType"),
        ([0.5, "0.5"], "score 1 is a str"),
        ([True], "score 0 is a bool"),
        (np.array([True]), "score 0 is a bool"),
        ([np.bool_(True)], "score 0 is a bool"),
        (np.array([[0.5], [0.25]]), "score 0 is a list"),
        ([[0.5]], "score 0 is a list"),
        ([1 + 1j], "score 0 is a complex"),
        ([10**400], "score 0 is larger"),
    ],
)
def test_anything_else_is_refused_by_kind_and_position(answer: Any, what: str) -> None:
    with pytest.raises(NoScoresError, match=what):
        read_scores(answer)
