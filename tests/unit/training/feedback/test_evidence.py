"""What clicks and ratings are taken to say."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.feedback import clicked, rated, shown

from rerankd.config.training import MiningConfig
from rerankd.training.feedback.evidence import Evidence, QueryEvidence, evidence_of, texts_in
from rerankd.training.types import FeedbackEvent, ShownDocument

LIST = [f"d{rank}" for rank in range(1, 21)]


def evidence(*events: FeedbackEvent, **settings: float) -> Evidence:
    return evidence_of(lambda: events, MiningConfig.model_validate(settings))


def only(found: Evidence) -> QueryEvidence:
    (query,) = found.queries
    return query


@pytest.mark.parametrize(
    ("settings", "rank", "weight"),
    [
        ({}, 1, 1),
        ({}, 4, 4),
        ({}, 20, 10),
        ({"max_click_weight": 3}, 4, 3),
        ({"position_bias": 0.5}, 4, 2),
        ({"position_bias": 0}, 20, 1),
    ],
)
def test_a_click_weighs_more_the_lower_it_is_up_to_the_cap(
    settings: dict[str, float], rank: int, weight: float
) -> None:
    found = only(evidence(shown("r", "q", LIST), clicked("r", f"d{rank}"), **settings))
    assert found.positives[f"d{rank}"].weight == pytest.approx(weight)
    assert found.positives[f"d{rank}"].label == 1


def test_clicks_of_several_people_add_up_to_the_cap_and_one_persons_do_not() -> None:
    events = [shown(f"r{i}", "q", LIST) for i in range(4)]
    twice = [clicked("r0", "d3"), clicked("r0", "d3", event_id="again")]
    assert only(evidence(*events, *twice)).positives["d3"].weight == 3
    other = clicked("r1", "d3")
    assert only(evidence(*events, *twice, other)).positives["d3"].weight == 6
    more = [clicked(f"r{i}", "d3") for i in range(4)]
    assert only(evidence(*events, *more)).positives["d3"].weight == 10


def test_what_stands_above_a_click_and_was_not_clicked_was_passed_over() -> None:
    found = only(evidence(shown("r", "q", LIST), clicked("r", "d2"), clicked("r", "d4")))
    assert set(found.positives) == {"d2", "d4"}
    assert found.skipped == ("d1", "d3")
    assert found.rated_bad == ()


def test_ratings_are_labels() -> None:
    found = only(
        evidence(shown("r", "q", LIST), rated("r", "d1", 1.0), rated("r", "d2", 0.7), rated("r", "d3", 0.5))
    )
    assert {document: positive.label for document, positive in found.positives.items()} == {
        "d1": 1.0,
        "d2": 0.7,
    }
    assert all(positive.rated and positive.weight == 1 for positive in found.positives.values())
    assert found.rated_bad == ("d3",)
    assert found.skipped == (), "a rating tells nothing of what stands above"


def test_conflicts_are_resolved_and_counted() -> None:
    found = evidence(
        shown("r1", "q", LIST),
        shown("r2", "Q ", LIST),
        clicked("r1", "d2"),
        clicked("r2", "d1"),
        clicked("r1", "d3"),
        rated("r2", "d3", 0.0),
        rated("r1", "d4", 1.0),
        rated("r2", "d4", 0.4),
    )
    assert found.conflicts == {"clicked_and_skipped": 1, "clicked_and_rated_bad": 1, "ratings_differ": 1}
    query = only(found)
    assert query.query == "Q "
    assert set(query.positives) == {"d1", "d2", "d4"}
    assert query.positives["d4"].label == pytest.approx(0.7)
    assert query.rated_bad == ("d3",)
    assert query.skipped == ()


def test_clicks_without_their_list_are_orphans_unless_they_bring_the_query() -> None:
    found = evidence(clicked("gone", "d1"), rated("gone", "d2", 1.0))
    assert (found.queries, found.orphans) == ((), 2)
    found = evidence(
        replace(clicked("gone", "d1"), query="q", document=ShownDocument(id="d1", rank=3)),
    )
    assert found.orphans == 0
    assert only(found).positives["d1"].weight == 3


def test_a_second_page_goes_on_with_the_list() -> None:
    second = replace(
        shown("r", "q", []),
        id="page2",
        shown=tuple(ShownDocument(id=f"d{rank}", rank=rank) for rank in (4, 5, 6)),
    )
    found = only(evidence(shown("r", "q", LIST[:3]), second, clicked("r", "d5")))
    assert found.positives["d5"].weight == 5
    assert found.skipped == ("d1", "d2", "d3", "d4")


def test_queries_without_a_positive_are_no_hits() -> None:
    found = evidence(
        shown("r1", "found", LIST),
        clicked("r1", "d1"),
        shown("r2", "ignored", LIST),
        shown("r3", "hated", LIST),
        rated("r3", "d1", 0.0),
        shown("r4", "empty", []),
        shown("r5", "FOUND", LIST),
    )
    assert found.no_hit_queries == 3
    assert [query.query for query in found.queries] == ["FOUND", "hated"]


def test_of_a_documents_texts_the_latest_counts() -> None:
    late = replace(clicked("r", "d1"), document=ShownDocument(id="d1", text="new"))
    assert texts_in([shown("r", "q", ["d1", "d2"]), late], {"d1"}) == {"d1": "new"}
