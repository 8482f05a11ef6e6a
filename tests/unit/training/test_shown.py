"""Rankings that are noted as shown: never in the way, counted where they are lost."""

from __future__ import annotations

from collections.abc import Sequence

from rerankd.core.engine import Request
from rerankd.core.errors import InvalidRequestError
from rerankd.core.types import Document, ModelRef, Ranking, Result
from rerankd.training import shown
from rerankd.training.shown import ShownRankings
from rerankd.training.types import FeedbackEvent, FeedbackKind

REQUEST = Request(query="why", documents=[Document(id="a", text="salt"), Document(id="b", text="pump")])
RANKING = Ranking(
    results=[Result(index=1, score=0.5, rank=1), Result(index=0, score=0.25, rank=2)],
    model=ModelRef(id="m", revision="1", backend="fake"),
)


class Log:
    """Keeps what is valid."""

    def __init__(self) -> None:
        self.events: list[FeedbackEvent] = []

    async def record(self, events: Sequence[FeedbackEvent]) -> None:
        if any(event.query == "bad" for event in events):
            raise InvalidRequestError("no")
        self.events += events


async def test_a_ranking_is_kept_in_its_order() -> None:
    log = Log()
    rankings = ShownRankings(log.record)
    assert rankings.note("docs", "r1", REQUEST, RANKING) == "recorded"
    await rankings.close()
    (event,) = log.events
    assert (event.kind, event.id, event.query) == (FeedbackKind.SHOWN, "shown:r1", "why")
    assert [(d.id, d.text, d.rank, d.score) for d in event.shown] == [
        ("b", "pump", 1, 0.5),
        ("a", "salt", 2, 0.25),
    ]


async def test_one_that_is_not_valid_does_not_take_the_others_with_it() -> None:
    log = Log()
    rankings = ShownRankings(log.record)
    for name in ("one", "bad", "two"):
        request = Request(query=name, documents=REQUEST.documents)
        assert rankings.note("docs", name, request, RANKING) == "recorded"
    await rankings.close()
    assert [event.query for event in log.events] == ["one", "two"]
    assert rankings.lost == 1


async def test_a_log_that_cannot_keep_up_loses_rankings_and_counts_them() -> None:
    log = Log()
    rankings = ShownRankings(log.record)
    told = [
        rankings.note("docs", str(n), REQUEST, RANKING)
        for n in range(shown._MOST_WAITING + 3)  # the writer has no turn yet
    ]
    assert told[-1].startswith("lost:")
    assert rankings.lost == 3
    await rankings.close()
    assert len(log.events) == shown._MOST_WAITING
