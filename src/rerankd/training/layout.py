"""Where the learning reranker keeps what it knows, under one directory."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

CORPUS_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
"""What names of corpora look like; none of them is a path that leads anywhere but down."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths under the directory of the setting `training.directory`; none of them need exist."""

    root: Path

    @property
    def feedback(self) -> Path:
        """Files of the feedback log."""
        return self.root / "feedback"

    @property
    def corpora(self) -> Path:
        """All corpora, by name."""
        return self.root / "corpora"

    def corpus(self, corpus_id: str) -> Path:
        """A corpus in BEIR layout: corpus.jsonl(.gz), queries.jsonl, qrels/<split>.tsv; and groups.jsonl."""
        return self.corpora / corpus_id

    def run(self, run_id: str) -> Path:
        """A training run: request.json, events.jsonl, checkpoints/, and export/<precision>/."""
        return self.root / "runs" / run_id

    def model(self, corpus_id: str) -> Path:
        """A learned model: revisions/<revision>/, each a servable directory, and current.json."""
        return self.root / "models" / corpus_id

    def evaluations(self, corpus_id: str) -> Path:
        """Reports of a corpus, a folder each, named by the time in UTC."""
        return self.root / "evaluations" / corpus_id

    @property
    def tracking(self) -> Path:
        """The SQLite database of MLflow."""
        return self.root / "mlflow.db"
