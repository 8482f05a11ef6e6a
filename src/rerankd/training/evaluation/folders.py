"""A folder in BEIR layout as a corpus to evaluate on, with BM25 as its first stage."""

from __future__ import annotations

import csv
import gzip
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from rerankd.core.errors import InvalidRequestError
from rerankd.training.evaluation.judged import FirstStage

K1, B = 0.9, 0.4


class BeirFolder:
    """`corpus.jsonl` or `corpus.jsonl.gz`, `queries.jsonl`, `qrels/<split>.tsv`.

    Attributes:
        id: Name of the folder.
    """

    def __init__(self, directory: Path) -> None:
        """Reads nothing yet."""
        self.id = directory.resolve().name
        self._directory = directory

    def text_of(self, document_id: str) -> str:
        """Title and text of a document."""
        return self._documents[document_id]

    def queries(self) -> Mapping[str, str]:
        """Query id -> query."""
        return {str(row["_id"]): str(row["text"]) for row in self._rows("queries")}

    def qrels(self, split: str) -> Mapping[str, Mapping[str, float]]:
        """Query id -> document id -> grade.

        Raises:
            InvalidRequestError: The folder has no such split, or a line of it is not a judgment.
        """
        path = self._directory / "qrels" / f"{split}.tsv"
        if not path.is_file():
            raise InvalidRequestError(f"corpus {self.id} has no qrels/{split}.tsv", field="split")
        judgments: dict[str, dict[str, float]] = defaultdict(dict)
        with path.open(encoding="utf-8", newline="") as lines:
            for number, row in enumerate(csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)):
                try:
                    query_id, document_id, grade = row
                    judgments[query_id][document_id] = float(grade)
                except ValueError as error:
                    if number:
                        raise InvalidRequestError(
                            f"corpus {self.id}: line {number + 1} of qrels/{split}.tsv is not "
                            "query, document and grade with tabs between"
                        ) from error
                    judgments.clear()
        return judgments

    def first_stage(self) -> FirstStage:
        """BM25 over titles and texts; made at the first call."""
        return self._index

    @cached_property
    def _documents(self) -> Mapping[str, str]:
        return {
            str(row["_id"]): f"{row.get('title') or ''} {row['text']}".strip() for row in self._rows("corpus")
        }

    @cached_property
    def _index(self) -> FirstStage:
        return Bm25(list(self._documents), list(self._documents.values()))

    def _rows(self, name: str) -> Iterator[dict[str, object]]:
        plain, packed = self._directory / f"{name}.jsonl", self._directory / f"{name}.jsonl.gz"
        path = plain if plain.is_file() else packed
        if not path.is_file():
            raise InvalidRequestError(f"corpus {self.id} has no {name}.jsonl or {name}.jsonl.gz")
        with (
            gzip.open(path, "rt", encoding="utf-8")
            if path == packed
            else path.open(encoding="utf-8") as lines
        ):
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                    row["_id"], row["text"]
                except (ValueError, KeyError, TypeError) as error:
                    raise InvalidRequestError(
                        f"corpus {self.id}: line {number} of {path.name} is not an object with _id and text"
                    ) from error
                yield row


class Bm25:
    """bm25s, variant lucene, English stop words and stemmer; equal scores keep the order of the corpus.

    Attributes:
        name: For reports.
    """

    def __init__(self, ids: Sequence[str], texts: Sequence[str]) -> None:
        import bm25s
        import Stemmer

        self.name = "bm25"
        self._ids = list(ids)
        self._stemmer = Stemmer.Stemmer("english")
        self._index = bm25s.BM25(method="lucene", k1=K1, b=B)
        self._index.index(self._words(texts), show_progress=False)

    def search(self, queries: Sequence[str], depth: int) -> list[list[tuple[str, float]]]:
        """For each query the best `depth` documents with their scores, best first."""
        return [self._best(words, depth) for words in self._words(queries)]

    def _best(self, words: list[str], depth: int) -> list[tuple[str, float]]:
        known = [word for word in words if word in self._index.vocab_dict]
        scores = self._index.get_scores(known) if known else np.zeros(len(self._ids), dtype=np.float32)
        order = np.argsort(-scores, kind="stable")[:depth]
        return [(self._ids[number], float(scores[number])) for number in order]

    def _words(self, texts: Sequence[str]) -> list[list[str]]:
        import bm25s

        words: list[list[str]] = bm25s.tokenize(
            list(texts), stopwords="en", stemmer=self._stemmer, return_ids=False, show_progress=False
        )
        return words
