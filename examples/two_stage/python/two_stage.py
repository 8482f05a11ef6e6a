"""Two-stage retrieval: SQLite finds 50 candidates by their words, rerankd puts those that answer first.

    python examples/two_stage/python/two_stage.py [TARGET [QUERY]]

Without a query it shows the first of data/queries.jsonl and measures all of them before and after.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from first_stage import FirstStage
from measures import ndcg, reciprocal_rank

from rerankd.client import Client, RerankdError

DATA = Path(__file__).resolve().parents[1] / "data"
CANDIDATES = 50
SHOWN = 10
TEXT_CHARACTERS = 64


def lines_of(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def judgments() -> dict[str, dict[str, int]]:
    """Of each query, the grades of the documents that have one."""
    grades: dict[str, dict[str, int]] = {}
    for line in (DATA / "judgments.tsv").read_text(encoding="utf-8").splitlines():
        query, document, grade = line.split("\t")
        grades.setdefault(query, {})[document] = int(grade)
    return grades


def reranked(client: Client, query: str, candidates: Sequence[Mapping[str, str]]) -> list[Any]:
    """The results of the server; none where the first stage has found nothing, which it would refuse."""
    return list(client.rerank(query, candidates).results) if candidates else []


def show(query: str, candidates: Sequence[Mapping[str, str]], results: Sequence[Any]) -> None:
    """The best of the second stage, where each stood in the first, and how far it has moved."""
    print(f"{query}\n\nrank  was  moved   score  id            text")
    for result in results[:SHOWN]:
        was = result.index + 1
        moved = f"{was - result.rank:+d}" if was != result.rank else "="
        text = candidates[result.index]["text"][:TEXT_CHARACTERS].rstrip()
        print(f"{result.rank:4}  {was:3}  {moved:>5}  {result.score:.4f}  {result.id:12}  {text}")


def measure(client: Client, first_stage: FirstStage) -> None:
    """nDCG@10 and the reciprocal rank of each judged query, before and after, and their means."""
    grades, rows = judgments(), []
    print("\nnDCG@10           1/rank of the first\n BM25  reranked    BM25  reranked  query")
    for query in lines_of("queries.jsonl"):
        candidates = first_stage.best(query["text"], CANDIDATES)
        before = [candidate["id"] for candidate in candidates]
        after = [result.id for result in reranked(client, query["text"], candidates)]
        judged = grades[query["id"]]
        row = [
            value
            for measure in (ndcg, reciprocal_rank)
            for value in (measure(before, judged), measure(after, judged))
        ]
        rows.append(row)
        print_row(row, query["text"])
    print_row(
        [sum(column) / len(rows) for column in zip(*rows, strict=True)],
        f"mean of {len(rows)} queries (nDCG@10, MRR)",
    )


def print_row(row: Sequence[float], title: str) -> None:
    print("{:5.3f}  {:8.3f}   {:5.3f}  {:8.3f}  {}".format(*row, title))


def main(target: str = "localhost:50051", query: str = "") -> None:
    shown = query or lines_of("queries.jsonl")[0]["text"]
    with closing(FirstStage(lines_of("documents.jsonl"))) as first_stage, Client(target) as client:
        candidates = first_stage.best(shown, CANDIDATES)
        show(shown, candidates, reranked(client, shown, candidates))
        if not query:
            measure(client, first_stage)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:3])
    except RerankdError as error:
        sys.exit(f"{error.reason or error.code.name}: {error.message}")
