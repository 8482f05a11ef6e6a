"""The order of the training examples: a permutation for each epoch, from the seed and the epoch alone.

So a run that goes on in the middle of an epoch sees the same rest of it. Imported by the worker alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sentence_transformers.base.sampler import DefaultBatchSampler


class EpochBatchSampler(DefaultBatchSampler):
    """Batches of a permutation that is a function of seed and epoch."""

    def __init__(self, dataset: Any, **options: Any) -> None:
        super().__init__(range(len(dataset)), **options)
        self._rows = len(dataset)
        self._seed = int(options["seed"])

    def __iter__(self) -> Iterator[list[int]]:
        random = np.random.default_rng((self._seed, self.epoch))
        order = random.permutation(self._rows).tolist()
        for start in range(0, len(order), self.batch_size):
            batch = order[start : start + self.batch_size]
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch
