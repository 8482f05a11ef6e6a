"""Shapes of micro-batches, rounded up to a small set.

An accelerator chooses kernels, grows its memory and captures graphs for each new shape; with a few hundred
shapes all of that happens once. Rounding costs padding, never more rows than fit the budget.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

_SHORT_STEP = 16
"""Lengths up to 128 tokens are multiples of it; it is also what tensor cores like their matrices to be."""
_STEPS = 4
"""Lengths between two powers of two, so that none is rounded up by more than a quarter."""


@dataclass(frozen=True, slots=True, order=True)
class Shape:
    """Of one batch."""

    rows: int
    width: int
    """Tokens of a row."""

    @property
    def tokens(self) -> int:
        """Counting padding."""
        return self.rows * self.width


@dataclass(frozen=True, slots=True)
class Part:
    """A run of pairs, from `start` to before `stop`, and the shape that they are padded to."""

    start: int
    stop: int
    shape: Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Buckets:
    """The shapes in use."""

    max_tokens: int
    """Longest pair of the model."""
    budget: int
    """Most padded tokens of a batch; a single pair may be longer."""
    most_rows: int = 0
    """Most rows of a batch, whatever their length; 0 = only the budget bounds them."""

    @property
    def queue_budget(self) -> int:
        """What the queue may hand over at once: rounding up a batch of it stays within the budget, mostly."""
        return max(1, self.budget * _STEPS // (_STEPS + 1))

    def width(self, tokens: int) -> int:
        """The length that a batch is padded to whose longest pair has so many tokens."""
        step = max(_SHORT_STEP, (1 << (max(1, tokens - 1).bit_length() - 1)) // _STEPS)
        return min(self.max_tokens, -(-tokens // step) * step)

    def rows_of(self, width: int) -> int:
        """Most rows of a batch of this length."""
        rows = max(1, self.budget // width)
        return min(rows, self.most_rows) if self.most_rows else rows

    def rows(self, count: int, width: int) -> int:
        """The rows that a batch of so many pairs has: a power of two, three quarters of one, or the most."""
        power = 1 << (count - 1).bit_length()
        rounded = power * 3 // 4 if count <= power * 3 // 4 else power
        return min(rounded, self.rows_of(width))

    def parts(self, lengths: Sequence[int]) -> list[Part]:
        """Pairs of these lengths as batches, in order: one, or a few of like size if it were too large."""
        if not lengths:
            return []
        width = self.width(max(lengths))
        batches = -(-len(lengths) // self.rows_of(width))
        bounds = [len(lengths) * number // batches for number in range(batches + 1)]
        return [self._part(lengths, start, stop) for start, stop in itertools.pairwise(bounds)]

    def padded_tokens(self, lengths: Sequence[int]) -> int:
        """Tokens that pairs of these lengths cost, counting padding."""
        return sum(part.shape.tokens for part in self.parts(lengths))

    def _part(self, lengths: Sequence[int], start: int, stop: int) -> Part:
        width = self.width(max(lengths[start:stop]))
        return Part(start, stop, Shape(self.rows(stop - start, width), width))
