"""The training groups of a corpus: what they are like, and which of them train and which stop a run early."""

from __future__ import annotations

import hashlib
import heapq
import os
import shutil
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rerankd.core.errors import InvalidRequestError
from rerankd.training.corpora.splits import query_key
from rerankd.training.mining.groups import read_groups
from rerankd.training.types import TrainingGroup

FILE = "groups.jsonl"
"""Of a corpus, and of a run: what it was when the run was started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupsProfile:
    """The groups in numbers."""

    groups: int
    queries: int
    documents: int
    """Pairs of a query and a document."""
    triplets: int
    average_positives: float
    """A group."""
    p95_positives: float
    label_kind: str
    """`binary` or `graded`."""
    teachers: tuple[str, ...]

    def as_record(self) -> dict[str, object]:
        """For JSON."""
        return {
            "groups": self.groups,
            "queries": self.queries,
            "documents": self.documents,
            "triplets": self.triplets,
            "average_positives": round(self.average_positives, 3),
            "p95_positives": round(self.p95_positives, 3),
            "label_kind": self.label_kind,
            "teachers": list(self.teachers),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Which queries train and which do not, by the key of their text: equal queries stay together."""

    dev: frozenset[str]
    """Of early stopping."""
    held_out: frozenset[str]
    """Of the corpus' test split; they are in neither."""

    def trains(self, group: TrainingGroup) -> bool:
        """Whether the group may be trained on."""
        key = query_key(group.query)
        return key not in self.dev and key not in self.held_out

    def stops(self, group: TrainingGroup) -> bool:
        """Whether the group is for early stopping."""
        key = query_key(group.query)
        return key in self.dev and key not in self.held_out


def pin_groups(corpus: Path, run: Path) -> None:
    """Keeps the groups as they are for a run: mining puts another file in their place."""
    try:
        os.link(corpus / FILE, run / FILE)
    except OSError:
        shutil.copyfile(corpus / FILE, run / FILE)


def groups_of(path: Path) -> Iterator[TrainingGroup]:
    """The groups of a file.

    Raises:
        InvalidRequestError: A line is no group.
    """
    try:
        yield from read_groups(path)
    except ValueError as error:
        raise InvalidRequestError(f"the training groups are damaged, mine again: {error}") from error


def profile_groups(path: Path) -> GroupsProfile:
    """The groups of a file in numbers; all zero where it does not exist.

    Raises:
        InvalidRequestError: A line is no group.
    """
    positives: list[int] = []
    keys: set[int] = set()
    labels: set[float] = set()
    teachers: set[str] = set()
    documents = triplets = 0
    for group in groups_of(path):
        positives.append(sum(document.label > 0 for document in group.documents))
        keys.add(hash(query_key(group.query)))
        # A handful of values is enough to tell graded labels.
        labels.update(document.label for document in group.documents if len(labels) < 16)
        teachers.update(name for document in group.documents for name in document.teachers)
        documents += len(group.documents)
        triplets += group.triplets
    return GroupsProfile(
        groups=len(positives),
        queries=len(keys),
        documents=documents,
        triplets=triplets,
        average_positives=float(np.mean(positives)) if positives else 0.0,
        p95_positives=float(np.percentile(positives, 95)) if positives else 0.0,
        label_kind="graded" if labels - {0.0, 1.0} else "binary",
        teachers=tuple(sorted(teachers)),
    )


def split_groups(
    groups: Callable[[], Iterator[TrainingGroup]],
    *,
    fraction: float,
    dev_queries: Collection[str] = (),
    test_queries: Collection[str] = (),
) -> Split:
    """Chooses the dev queries.

    Args:
        groups: Reads the groups.
        fraction: Share of the queries that are dev, where `dev_queries` are none; one at least, unless there
            is only one query. The choice depends on the texts alone, so that what was dev stays dev when
            more is mined.
        dev_queries: Texts of the corpus' own dev split.
        test_queries: Texts that may neither train nor stop.
    """
    held_out = frozenset(map(query_key, test_queries))
    given = frozenset(map(query_key, dev_queries)) - held_out
    if given:
        return Split(dev=given, held_out=held_out)
    keys = {query_key(group.query) for group in groups()} - held_out
    wanted = min(len(keys) - 1, max(1, round(fraction * len(keys))))
    dev = heapq.nsmallest(max(0, wanted), keys, key=_digest)
    return Split(dev=frozenset(dev), held_out=held_out)


def candidates_of(group: TrainingGroup, most: int, random: np.random.Generator) -> list[int]:
    """Which documents of a group are in one step: best labels first, half of the places for negatives."""
    order = sorted(range(len(group.documents)), key=lambda number: -group.documents[number].label)
    positives = [number for number in order if group.documents[number].label > 0]
    negatives = order[len(positives) :]
    room = max(most - len(positives), min(len(negatives), most // 2))
    kept = positives[: most - min(room, len(negatives))]
    if len(negatives) > most - len(kept):
        drawn = random.choice(len(negatives), most - len(kept), replace=False)
        negatives = [negatives[number] for number in sorted(drawn)]
    return [*kept, *negatives]


def query_rank(query: str) -> bytes:
    """An order of queries that depends on their texts alone, and is no order of anything else."""
    return _digest(query_key(query))


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
