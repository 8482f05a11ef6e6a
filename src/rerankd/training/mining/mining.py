"""Mining, from evidence to groups.jsonl."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rerankd.config.training import MiningConfig
from rerankd.training.corpora import Corpus
from rerankd.training.feedback import FeedbackReader
from rerankd.training.mining.statistics import MiningStatistics
from rerankd.training.types import Scorer


@dataclass(frozen=True, slots=True, kw_only=True)
class MiningProgress:
    """How far mining is."""

    done: int
    """Queries."""
    total: int


def mine(
    corpus: Corpus,
    feedback: FeedbackReader | None,
    scorer: Scorer | None,
    config: MiningConfig,
    *,
    progress: Callable[[MiningProgress], None] = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> MiningStatistics:
    """Makes the training groups of a corpus, of queries of its train split alone, and writes groups.jsonl.

    Raises:
        CancelledError: `cancelled` said so; what was there is left as it was.
    """
    raise NotImplementedError
