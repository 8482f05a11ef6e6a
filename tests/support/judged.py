"""Small judged collections and scorers whose quality is known."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rerankd.training.evaluation import JudgedQueries, JudgedQuery


def planted(count: int = 40, candidates: int = 20, seed: int = 3, id_prefix: str = "q") -> JudgedQueries:
    """Queries with two relevant documents somewhere among the candidates; their texts say which they are."""
    rng = random.Random(seed)
    return JudgedQueries(
        queries=tuple(_planted(f"{id_prefix}{number:03}", candidates, rng) for number in range(count)),
        skipped=0,
    )


def _planted(query_id: str, candidates: int, rng: random.Random) -> JudgedQuery:
    ids = [f"{query_id}-d{number}" for number in range(candidates)]
    relevant = rng.sample(ids, 2)
    return JudgedQuery(
        id=query_id,
        query=f"query {query_id}",
        document_ids=ids,
        texts=[f"{'relevant' if document in relevant else 'other'} {document}" for document in ids],
        first_stage=[float(candidates - rank) for rank in range(candidates)],
        judgments=dict.fromkeys(relevant, 1.0),
    )


class Knowing:
    """Knows the relevant documents, less and less as `noise` grows; the same text always scores the same."""

    def __init__(self, name: str, noise: float, seed: int = 0) -> None:
        self.name = name
        self.calls = 0
        self._noise = noise
        self._seed = seed

    def score(self, query: str, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        self.calls += 1
        rng = random.Random(f"{self._seed} {query}")
        return np.array([("relevant" in text) + self._noise * rng.gauss(0, 1) for text in texts])


def write_beir(directory: Path, *, queries: int = 12, per_query: int = 6) -> Path:
    """A folder in BEIR layout: documents of one query share a word, one of them is relevant and says so."""
    directory.mkdir(parents=True)
    (directory / "qrels").mkdir()
    documents, asked, judged = [], [], ["query-id\tcorpus-id\tscore"]
    for number in range(queries):
        topic = f"topic{number:02}"
        asked.append({"_id": f"q{number}", "text": f"{topic} plants make food"})
        for other in range(per_query):
            text = (
                f"{topic} {'plants make food from light' if other == number % per_query else 'river water'}"
            )
            documents.append({"_id": f"d{number}-{other}", "title": topic, "text": text})
        judged.append(f"q{number}\td{number}-{number % per_query}\t1")
    (directory / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in documents))
    (directory / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in asked))
    (directory / "qrels" / "test.tsv").write_text("\n".join(judged) + "\n")
    return directory
