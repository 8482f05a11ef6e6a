"""groups.jsonl: what training runs read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from rerankd.training.types import GroupDocument, TrainingGroup

_DECIMALS = 6
"""Of scores: what differs beyond is noise of the processor, and would make equal files differ."""


def read_groups(path: Path) -> Iterator[TrainingGroup]:
    """The groups of a file; none where it does not exist.

    Raises:
        ValueError: A line is no group; names the line.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                yield group_of(line)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise ValueError(f"{path.name}:{number} is no training group") from error


def line_of(group: TrainingGroup) -> bytes:
    """A group as JSON and a newline."""
    record = {
        "query_id": group.query_id,
        "query": group.query,
        "documents": [
            {
                "id": document.id,
                "text": document.text,
                "label": round(document.label, _DECIMALS),
                "teachers": {name: round(score, _DECIMALS) for name, score in document.teachers.items()},
            }
            for document in group.documents
        ],
        "weight": round(group.weight, _DECIMALS),
        "source": group.source,
    }
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def group_of(line: bytes) -> TrainingGroup:
    """The group of a line."""
    record = json.loads(line)
    return TrainingGroup(
        query_id=record["query_id"],
        query=record["query"],
        documents=tuple(
            GroupDocument(
                id=document["id"],
                text=document["text"],
                label=float(document["label"]),
                teachers={name: float(score) for name, score in document["teachers"].items()},
            )
            for document in record["documents"]
        ),
        weight=float(record["weight"]),
        source=record["source"],
    )
