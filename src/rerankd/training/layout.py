"""Where the learning reranker keeps what it knows, under one directory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths under the directory of the setting `training.directory`; none of them need exist."""

    root: Path

    @property
    def feedback(self) -> Path:
        """Files of the feedback log."""
        return self.root / "feedback"

    def corpus(self, corpus_id: str) -> Path:
        """A corpus in BEIR layout: corpus.jsonl(.gz), queries.jsonl, qrels/<split>.tsv; and groups.jsonl."""
        return self.root / "corpora" / corpus_id

    def run(self, run_id: str) -> Path:
        """A training run: request.json, events.jsonl, checkpoints/, and export/<precision>/."""
        return self.root / "runs" / run_id

    def model(self, corpus_id: str) -> Path:
        """A learned model: revisions/<revision>/, each a servable directory, and current.json."""
        return self.root / "models" / corpus_id

    @property
    def tracking(self) -> Path:
        """The SQLite database of MLflow."""
        return self.root / "mlflow.db"
