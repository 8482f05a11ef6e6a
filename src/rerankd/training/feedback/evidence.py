"""What clicks and ratings say of documents, query by query.

A click is evidence that depends on the place: what stands low is seen less. Weighing each click by the
inverse of the chance that its place is looked at makes up for it (Joachims, Swaminathan and Schnabel,
"Unbiased Learning-to-Rank with Biased Feedback", WSDM 2017); that chance is taken as 1 / rank^bias, and
weights are capped, as there, so that one click far down does not outweigh all others. A document that stands
above a clicked one and was not clicked was looked at and passed over ("skip above", Joachims et al. 2005).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from rerankd.config.training import MiningConfig
from rerankd.training.feedback.queries import same_query
from rerankd.training.types import FeedbackEvent, FeedbackKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Positive:
    """A document that users found good."""

    label: float
    """1 for a click, the mean rating for a rated document."""
    weight: float
    """Of its clicks together, capped; 1 for a rating alone."""
    rated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryEvidence:
    """What the users of one query found. A document is in one of the three at most."""

    query: str
    """The text, as it was asked last; a digest where the log is hashed."""
    hashed: bool
    positives: Mapping[str, Positive]
    rated_bad: tuple[str, ...]
    skipped: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a log says of the documents of a corpus."""

    queries: tuple[QueryEvidence, ...]
    """Those with any evidence, in the order in which they were first asked."""
    conflicts: Mapping[str, int]
    """Documents of a query about which the evidence differs, by how: ratings outweigh clicks, a click
    outweighs a skip, of several ratings the mean counts."""
    orphans: int
    """Clicks and ratings whose list is not in the log (any more)."""
    no_hit_queries: int
    """Queries that were asked and have no positive."""


@dataclass(slots=True)
class _Choices:
    """What was done with the results of one request."""

    clicks: dict[str, int] = field(default_factory=dict)
    """Rank by document; 0 where the click does not tell."""
    ratings: dict[str, list[float]] = field(default_factory=dict)
    query: str = ""
    hashed: bool = False


@dataclass(slots=True)
class _Gathered:
    """All about one query."""

    text: str
    hashed: bool
    clicks: dict[str, float] = field(default_factory=dict)
    ratings: dict[str, list[float]] = field(default_factory=dict)
    skips: dict[str, None] = field(default_factory=dict)


def evidence_of(read: Callable[[], Iterable[FeedbackEvent]], config: MiningConfig) -> Evidence:
    """The evidence of a log that is read twice: `read` gives its events anew at each call."""
    choices = _choices_in(read())
    queries: dict[str, _Gathered] = {}
    ranks: dict[str, dict[str, int]] = {}
    owners: dict[str, str] = {}
    for event in read():
        if event.kind is not FeedbackKind.SHOWN:
            continue
        key = event.query if event.hashed else same_query(event.query)
        queries.setdefault(key, _Gathered(text=event.query, hashed=event.hashed)).text = event.query
        if event.request_id in choices:
            # A second page of the same request goes on with the list.
            ranks.setdefault(event.request_id, {}).update(
                {d.id: d.rank or place for place, d in enumerate(event.shown, start=1)}
            )
            owners[event.request_id] = key
    orphans = 0
    for request_id, chosen in choices.items():
        owner = owners.get(request_id)
        if owner is None and chosen.query:
            owner = chosen.query if chosen.hashed else same_query(chosen.query)
            queries.setdefault(owner, _Gathered(text=chosen.query, hashed=chosen.hashed))
        if owner is None:
            orphans += len(chosen.clicks) + sum(map(len, chosen.ratings.values()))
        else:
            _add(queries[owner], chosen, ranks.get(request_id, {}), config)
    conflicts: Counter[str] = Counter()
    resolved = [_resolved(gathered, config, conflicts) for gathered in queries.values()]
    return Evidence(
        queries=tuple(found for found in resolved if found.positives or found.rated_bad or found.skipped),
        conflicts=dict(conflicts),
        orphans=orphans,
        no_hit_queries=sum(not found.positives for found in resolved),
    )


def _choices_in(events: Iterable[FeedbackEvent]) -> dict[str, _Choices]:
    choices: dict[str, _Choices] = {}
    for event in events:
        if event.document is None:
            continue
        chosen = choices.setdefault(event.request_id, _Choices())
        if event.query:
            chosen.query, chosen.hashed = event.query, event.hashed
        if event.rating is not None:
            chosen.ratings.setdefault(event.document.id, []).append(event.rating)
        else:
            chosen.clicks[event.document.id] = event.document.rank or chosen.clicks.get(event.document.id, 0)
    return choices


def _add(gathered: _Gathered, chosen: _Choices, ranks: Mapping[str, int], config: MiningConfig) -> None:
    placed = {document: ranks.get(document) or rank or 1 for document, rank in chosen.clicks.items()}
    for document, rank in placed.items():
        weight = min(float(rank**config.position_bias), config.max_click_weight)
        # Of several people's clicks, too, one document gets no more than the cap.
        together = gathered.clicks.get(document, 0.0) + weight
        gathered.clicks[document] = min(together, config.max_click_weight)
    for document, ratings in chosen.ratings.items():
        gathered.ratings.setdefault(document, []).extend(ratings)
    deepest = max(placed.values(), default=0)
    above = (document for document, rank in ranks.items() if rank < deepest and document not in placed)
    gathered.skips.update(dict.fromkeys(above))


def _resolved(gathered: _Gathered, config: MiningConfig, conflicts: Counter[str]) -> QueryEvidence:
    positives: dict[str, Positive] = {}
    bad: list[str] = []
    for document, ratings in gathered.ratings.items():
        mean = sum(ratings) / len(ratings)
        clicked = document in gathered.clicks
        conflicts["ratings_differ"] += min(ratings) < config.min_rating <= max(ratings)
        if mean >= config.min_rating and mean > 0:
            weight = max(1.0, gathered.clicks.get(document, 0.0))
            positives[document] = Positive(label=mean, weight=weight, rated=True)
        else:
            bad.append(document)
            conflicts["clicked_and_rated_bad"] += clicked
    for document, weight in gathered.clicks.items():
        conflicts["clicked_and_skipped"] += document in gathered.skips
        if document not in gathered.ratings:
            positives[document] = Positive(label=1.0, weight=weight, rated=False)
    skipped = tuple(d for d in gathered.skips if d not in positives and d not in gathered.ratings)
    return QueryEvidence(
        query=gathered.text,
        hashed=gathered.hashed,
        positives=positives,
        rated_bad=tuple(bad),
        skipped=skipped,
    )


def texts_in(events: Iterable[FeedbackEvent], ids: set[str] | None = None) -> dict[str, str]:
    """The texts that were shown or told, by document id; of several of one document the latest."""
    texts: dict[str, str] = {}
    for event in events:
        documents = event.shown if event.document is None else (event.document,)
        for document in documents:
            if document.text and (ids is None or document.id in ids):
                texts[document.id] = document.text
    return texts


def queries_in(events: Iterable[FeedbackEvent]) -> Iterator[str]:
    """Every query that is kept as text, once, as it was asked last."""
    latest: dict[str, str] = {}
    for event in events:
        if event.query and not event.hashed:
            latest[same_query(event.query)] = event.query
    yield from latest.values()
