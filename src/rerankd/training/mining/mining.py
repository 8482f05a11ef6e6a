"""Mining, from evidence to groups.jsonl."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import BinaryIO

import numpy as np

from rerankd.config.training import MiningConfig
from rerankd.core.errors import CancelledError, RunActiveError
from rerankd.training.corpora import Corpus, query_key
from rerankd.training.durable import locked_file, replaced_file
from rerankd.training.feedback import FeedbackReader
from rerankd.training.mining.candidates import CandidateSource
from rerankd.training.mining.drawing import GroupMaker
from rerankd.training.mining.groups import line_of, read_groups
from rerankd.training.mining.positives import Wanted, limited, wanted_of
from rerankd.training.mining.statistics import MiningStatistics, Tally
from rerankd.training.types import Scorer, TrainingGroup

STATISTICS_FILE = "mining.json"


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

    The same data, model and settings give the same bytes. Without a scorer there are no negatives of the
    model, no guards and no teacher but BM25.

    Raises:
        CancelledError: `cancelled` said so; what was there is left as it was.
        RunActiveError: The corpus is being mined already.
    """
    try:
        guard = locked_file(corpus.directory / ".mining.lock", wait=False)
    except BlockingIOError:
        raise RunActiveError(
            f"corpus {corpus.id!r} is being mined already; wait for its end, or cancel it",
            metadata={"corpus_id": corpus.id},
        ) from None
    try:
        return _Mining(corpus, scorer, config, progress, cancelled).run(feedback)
    finally:
        os.close(guard)


class _Mining:
    """One pass. Use once."""

    def __init__(
        self,
        corpus: Corpus,
        scorer: Scorer | None,
        config: MiningConfig,
        progress: Callable[[MiningProgress], None],
        cancelled: Callable[[], bool],
    ) -> None:
        self._corpus = corpus
        self._scorer = scorer
        self._config = config
        self._progress = progress
        self._cancelled = cancelled
        self._tally = Tally()
        self._known: set[bytes] = set()
        self._dropped: Counter[str] = Counter()

    def run(self, feedback: FeedbackReader | None) -> MiningStatistics:
        begun = time.monotonic()
        wanted = wanted_of(self._corpus, feedback, self._config)
        self._dropped.update(wanted.dropped)
        maker = GroupMaker(self._config, self._dropped)
        with replaced_file(self._corpus.groups_file) as file:
            if self._config.write == "append":
                self._keep_old(file)
            kept = self._tally.groups
            for group in self._new_groups(wanted, maker):
                if self._is_known(group):
                    self._dropped["known_group"] += 1
                    continue
                self._tally.count_new(group)
                file.write(line_of(group))
        statistics = self._statistics(wanted, maker, kept, time.monotonic() - begun)
        with replaced_file(self._corpus.directory / STATISTICS_FILE) as file:
            file.write(json.dumps(asdict(statistics), indent=1).encode() + b"\n")
        return statistics

    def _keep_old(self, file: BinaryIO) -> None:
        for group in read_groups(self._corpus.groups_file):
            # The corpus may have got a test split since.
            if self._corpus.split_of(group.query) != "train":
                self._dropped["no_longer_training"] += 1
            elif not self._is_known(group):
                self._tally.count(group)
                file.write(line_of(group))

    def _new_groups(self, wanted: Wanted, maker: GroupMaker) -> Iterator[TrainingGroup]:
        config = self._config
        room = max(0, config.max_pairs - self._tally.pairs)
        queries = limited(wanted.queries, room, config.seed, self._dropped)
        source = CandidateSource(self._corpus, self._scorer, config, wanted.told_texts)
        for done, query in enumerate(queries):
            if self._cancelled():
                raise CancelledError("mining was cancelled; the groups are as they were")
            self._progress(MiningProgress(done=done, total=len(queries)))
            # Of the query alone: neither its neighbours nor their number change what is drawn for it.
            rng = np.random.default_rng(_seed(config.seed, query.source, query.id))
            candidates = source.of(query, wanted.relevant[query_key(query.text)], rng)
            yield from maker.groups(query, candidates, rng)
        self._progress(MiningProgress(done=len(queries), total=len(queries)))

    def _is_known(self, group: TrainingGroup) -> bool:
        name = "\n".join((group.source, group.query, *sorted(document.id for document in group.documents)))
        digest = hashlib.blake2b(name.encode(), digest_size=16).digest()
        known = digest in self._known
        self._known.add(digest)
        return known

    def _statistics(self, wanted: Wanted, maker: GroupMaker, kept: int, seconds: float) -> MiningStatistics:
        tally, evidence = self._tally, wanted.evidence
        if evidence is not None:
            self._dropped["orphans"] += evidence.orphans
        return MiningStatistics(
            queries=len(tally.queries),
            pairs=tally.pairs,
            triplets=tally.triplets,
            groups=tally.groups,
            kept_groups=kept,
            sources=dict(tally.sources),
            negatives=dict(maker.negatives),
            dropped={reason: count for reason, count in sorted(self._dropped.items()) if count},
            conflicts=dict(evidence.conflicts) if evidence else {},
            no_hit_queries=evidence.no_hit_queries if evidence else 0,
            histograms=tally.histograms(),
            scorer=self._scorer.name if self._scorer is not None else "",
            corpus_digest=self._corpus.digest,
            seconds=seconds,
        )


def _seed(seed: int, source: str, query_id: str) -> int:
    return int.from_bytes(hashlib.blake2b(f"{seed}\n{source}\n{query_id}".encode(), digest_size=8).digest())
