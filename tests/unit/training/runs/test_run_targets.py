"""What a group teaches: labels, and distributions over its documents."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerankd.training.runs.failures import BadDataError
from rerankd.training.runs.targets import label_distribution, log_target, mixed_distribution
from rerankd.training.types import GroupDocument


def documents(labels: list[float], *teachers: list[float]) -> list[GroupDocument]:
    return [
        GroupDocument(
            id=str(number),
            text="",
            label=label,
            teachers={f"t{place}": scores[number] for place, scores in enumerate(teachers)},
        )
        for number, label in enumerate(labels)
    ]


def softmax(values: np.ndarray) -> np.ndarray:
    return np.exp(values) / np.exp(values).sum()


def test_graded_labels_share_in_proportion() -> None:
    assert label_distribution(documents([1.0, 0.5, 0.0, -1.0])).tolist() == pytest.approx(
        [2 / 3, 1 / 3, 0, 0]
    )


def test_a_group_without_a_positive_teaches_nothing() -> None:
    with pytest.raises(BadDataError, match="label above 0"):
        label_distribution(documents([0.0, 0.0]))


def test_the_mixture_is_labels_and_the_mean_of_standardised_teachers() -> None:
    one, two = [10.0, 0.0, 5.0], [0.1, 0.3, 0.2]
    z = [(np.array(scores) - np.mean(scores)) / np.std(scores) / 2.0 for scores in (one, two)]
    wanted = 0.4 * np.array([1.0, 0, 0]) + 0.6 * (softmax(z[0]) + softmax(z[1])) / 2

    got = mixed_distribution(documents([1.0, 0.0, 0.0], one, two), teacher_weight=0.6, temperature=2.0)

    assert got.tolist() == pytest.approx(wanted.tolist())


def test_a_teacher_that_scored_only_some_is_not_heard() -> None:
    group = documents([1.0, 0.0], [3.0, 1.0])
    group[1] = GroupDocument(id="1", text="", label=0.0)

    assert mixed_distribution(group, teacher_weight=0.9, temperature=1.0).tolist() == [1.0, 0.0]


def test_a_teacher_that_sees_no_difference_says_so() -> None:
    got = mixed_distribution(documents([1.0, 0.0], [4.0, 4.0]), teacher_weight=1.0, temperature=1.0)

    assert got.tolist() == pytest.approx([0.5, 0.5])


def test_a_score_that_is_no_number_is_bad_data() -> None:
    with pytest.raises(BadDataError, match="not finite"):
        mixed_distribution(documents([1.0, 0.0], [float("nan"), 1.0]), teacher_weight=0.5, temperature=1.0)


@given(
    labels=st.lists(st.floats(0, 1), min_size=2, max_size=16).filter(lambda labels: sum(labels) > 1e-6),
    weight=st.floats(0, 1),
    data=st.data(),
)
def test_the_softmax_of_the_target_is_the_distribution(
    labels: list[float], weight: float, data: st.DataObject
) -> None:
    scores = data.draw(st.lists(st.floats(-1e3, 1e3), min_size=len(labels), max_size=len(labels)))
    wanted = mixed_distribution(documents(labels, scores), teacher_weight=weight, temperature=1.0)

    assert wanted.sum() == pytest.approx(1.0)
    assert softmax(np.array(log_target(wanted))).tolist() == pytest.approx(wanted.tolist(), abs=1e-9)
