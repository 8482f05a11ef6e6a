"""Which groups train, which stop a run early, and what of a group is in one step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.training_material import write_groups

from rerankd.core.errors import InvalidRequestError
from rerankd.training.runs.checkpoints import last_checkpoint
from rerankd.training.runs.groups import candidates_of, profile_groups, split_groups
from rerankd.training.types import GroupDocument, TrainingGroup


def group(query: str, labels: list[float]) -> TrainingGroup:
    documents = tuple(
        GroupDocument(id=str(number), text="", label=label) for number, label in enumerate(labels)
    )
    return TrainingGroup(query_id=query, query=query, documents=documents)


def groups(*queries: str) -> Iterator[TrainingGroup]:
    return (group(query, [1.0, 0.0]) for query in queries)


def test_a_profile_counts_what_is_there(tmp_path: Path) -> None:
    profile = profile_groups(write_groups(tmp_path, 10) / "groups.jsonl")

    assert (profile.groups, profile.queries, profile.documents, profile.triplets) == (10, 10, 50, 40)
    assert (profile.average_positives, profile.label_kind, profile.teachers) == (
        1.0,
        "binary",
        ("bm25", "model"),
    )
    assert profile_groups(tmp_path / "none.jsonl").triplets == 0


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "groups.jsonl").write_text("{}\n")

    with pytest.raises(InvalidRequestError, match=r"mine again: groups\.jsonl:1"):
        profile_groups(tmp_path / "groups.jsonl")


def test_no_query_of_a_test_split_trains_or_stops_whatever_its_spelling() -> None:
    made = split_groups(
        lambda: groups("a", "b", "c", "Test  query!"), fraction=0.4, test_queries=["test query"]
    )

    assert made.held_out
    for spelled in ("test query", "TEST query?", "Test\tquery"):
        assert not made.trains(group(spelled, [1.0, 0.0]))
        assert not made.stops(group(spelled, [1.0, 0.0]))
    assert len(made.dev) == 1


def test_the_dev_split_of_the_corpus_is_taken_where_there_is_one() -> None:
    made = split_groups(lambda: groups("a", "b"), fraction=0.5, dev_queries=["x", "t"], test_queries=["t"])

    assert made.dev == {"x"}
    assert made.trains(group("a", [1.0]))
    assert not made.trains(group("X", [1.0]))


@given(st.lists(st.text("abc de", min_size=1, max_size=6), min_size=2, max_size=40), st.floats(0.01, 0.5))
def test_a_query_is_on_one_side_and_each_side_has_one(queries: list[str], fraction: float) -> None:
    made = split_groups(lambda: groups(*queries), fraction=fraction)

    sides = [(made.trains(one), made.stops(one)) for one in groups(*queries)]
    assert all(train != stop for train, stop in sides)
    if len(made.dev) or len({" ".join(query.split()) for query in queries}) > 1:
        assert any(train for train, _ in sides)


def test_what_was_dev_stays_dev_when_more_is_mined() -> None:
    few = [f"query {number}" for number in range(40)]
    before = split_groups(lambda: groups(*few), fraction=0.25)
    after = split_groups(lambda: groups(*few, *(f"more {number}" for number in range(20))), fraction=0.25)

    moved = sum(made.trains(one) for one in groups(*few) for made in [after] if before.stops(one))
    assert moved <= len(before.dev) // 2
    assert split_groups(lambda: groups(*reversed(few)), fraction=0.25) == before


@given(
    positives=st.integers(1, 12),
    negatives=st.integers(1, 30),
    most=st.integers(2, 16),
    seed=st.integers(0, 9),
)
def test_a_step_has_positives_and_negatives(positives: int, negatives: int, most: int, seed: int) -> None:
    made = group("q", [0.0] * negatives + [1.0] * positives)

    kept = candidates_of(made, most, np.random.default_rng(seed))

    labels = [made.documents[number].label for number in kept]
    assert len(set(kept)) == len(kept) == min(most, positives + negatives)
    assert set(labels) == {0.0, 1.0}
    assert labels == sorted(labels, reverse=True)


def test_the_newest_whole_checkpoint_is_taken(tmp_path: Path) -> None:
    assert last_checkpoint(tmp_path / "none") is None
    for name, state in (
        ("checkpoint-5", '{"global_step": 5}'),
        ("checkpoint-10", '{"global_step": 10}'),
        ("checkpoint-15", '{"global_'),
        ("checkpoint-20", None),
        ("checkpoint-x", '{"global_step": 30}'),
    ):
        (tmp_path / name).mkdir()
        if state is not None:
            (tmp_path / name / "trainer_state.json").write_text(state)

    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-10"
