"""What a model takes for nearly as good as the positive is no negative."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerankd.config.training import MiningConfig
from rerankd.training.mining.drawing import dealt
from rerankd.training.mining.guards import Guard
from rerankd.training.mining.positives import WantedPositive


@pytest.mark.parametrize(
    ("margin", "percentile", "logit", "reason"),
    [
        (0.0, 100.0, 4.0, ""),
        (0.0, 100.0, 4.1, "margin"),
        (1.0, 100.0, 3.1, "margin"),
        (1.0, 100.0, 3.0, ""),
        (-1.0, 100.0, 5.0, ""),
        (-1.0, 100.0, 5.1, "margin"),
        (-100.0, 100.0, 1000.0, ""),
        (-100.0, 75.0, 2.0, ""),
        (-100.0, 75.0, 2.1, "percentile"),
        (0.0, 95.0, 3.9, "percentile"),
        (0.0, 0.0, -4.0, ""),
        (0.0, 0.0, -3.9, "percentile"),
    ],
)
def test_guards(margin: float, percentile: float, logit: float, reason: str) -> None:
    config = MiningConfig(margin=margin, percentile=percentile)
    assert Guard(positive=4.0, lowest=-4.0, config=config).reason_to_refuse(logit) == reason


LOGITS = st.floats(-50, 50)


@given(lowest=LOGITS, above=st.floats(0.1, 50), logit=LOGITS, shift=LOGITS)
def test_where_zero_is_does_not_matter(lowest: float, above: float, logit: float, shift: float) -> None:
    config = MiningConfig(margin=0.5, percentile=90.0)
    # Away from the borders, where rounding decides.
    borders = (lowest + above - 0.5, lowest + 0.9 * above)
    if min(abs(logit - border) for border in borders) < 1e-6:
        return
    here = Guard(positive=lowest + above, lowest=lowest, config=config)
    there = Guard(positive=lowest + above + shift, lowest=lowest + shift, config=config)
    assert here.reason_to_refuse(logit) == there.reason_to_refuse(logit + shift)


@given(labels=st.lists(st.sampled_from([1.0, 0.7, 0.3]), max_size=12))
def test_positives_are_dealt_so_that_none_of_a_group_has_the_label_of_another(labels: list[float]) -> None:
    positives = [WantedPositive(id=f"d{i}", label=label, weight=1) for i, label in enumerate(labels)]
    groups = list(dealt(positives))
    assert sorted(p.id for group in groups for p in group) == sorted(p.id for p in positives)
    assert all(len({p.label for p in group}) == len(group) > 0 for group in groups)
