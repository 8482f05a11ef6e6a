"""What is remembered of a stream's results: the best few, or all of them in little space."""

from __future__ import annotations

import heapq
import math
from array import array
from collections.abc import Iterator, Sequence
from typing import Protocol, overload

import numpy as np

from rerankd.core.ranking import final_ranking
from rerankd.core.types import Options, Passage, Result


class Collector(Protocol):
    """Takes results in any order and gives the ranking so far."""

    seen: int

    def add(self, result: Result) -> bool:
        """Offers a result; says whether the ranking changed."""

    def ranking(self) -> Sequence[Result]:
        """What a caller may see, best first, ranks from 1."""

    @property
    def overflowed(self) -> bool:
        """Whether more results came than are remembered."""


def collector(options: Options, capacity: int) -> Collector:
    """The best `top_n`, or everything up to `capacity` where the caller set no `top_n`."""
    return TopResults(options.top_n, options) if options.top_n else AllResults(capacity, options)


class TopResults:
    """The best results seen so far, at most `capacity` of them, in O(log capacity) an addition.

    Unscored results are remembered apart, first come first kept: they only ever fill what the
    scored ones leave free.
    """

    def __init__(self, capacity: int, options: Options) -> None:
        self._capacity = capacity
        self._options = options
        self._heap: list[tuple[float, float, int, Result]] = []
        self._unscored: list[Result] = []
        self.seen = 0

    def add(self, result: Result) -> bool:
        """Offers a result; says whether it is among the best at this moment."""
        self.seen += 1
        if not result.scored:
            if len(self._unscored) < self._capacity:
                self._unscored.append(result)
            return False
        logit = result.logit if result.logit is not None else 0.0
        entry = (result.score, logit, -result.index, result)
        if len(self._heap) < self._capacity:
            heapq.heappush(self._heap, entry)
            return True
        return heapq.heappushpop(self._heap, entry) is not entry

    def ranking(self) -> Sequence[Result]:
        """The best, ordered and numbered."""
        best = [entry[3] for entry in self._heap]
        return final_ranking(best + self._unscored[: self._capacity - len(best)], self._options)

    @property
    def overflowed(self) -> bool:
        """Whether more results came than are remembered."""
        return self.seen > self._capacity


class AllResults:
    """Every result in about 60 bytes plus its id; documents are not kept.

    Beyond `capacity` the worst of what is remembered makes room.
    """

    def __init__(self, capacity: int, options: Options) -> None:
        self._capacity = capacity
        self._options = options
        self._columns = _Columns()
        self.seen = 0

    def add(self, result: Result) -> bool:
        """Remembers a result."""
        self.seen += 1
        self._columns.append(result)
        if len(self._columns) >= 2 * self._capacity:
            self._columns = self._columns.take(self._order()[: self._capacity])
        return True

    def ranking(self) -> Sequence[Result]:
        """All of them, ordered; each result is made when it is looked at."""
        order = self._order()[: self._capacity]
        least = self._options.min_score
        if least is not None:
            # Nothing compares with NaN, so unscored results go too.
            order = order[np.frombuffer(self._columns.scores)[order] >= least]
        return _LazyRanking(self._columns.take(order))

    @property
    def overflowed(self) -> bool:
        """Whether more results came than are remembered."""
        return self.seen > self._capacity

    def _order(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Best score first, ties by logit and then by index; NaN stands for unscored and sorts last."""
        scores, logits = np.frombuffer(self._columns.scores), np.frombuffer(self._columns.logits)
        return np.lexsort((np.frombuffer(self._columns.indexes, dtype=np.int64), -logits, -scores))


class _Columns:
    """Results by column. A missing number is NaN."""

    def __init__(self) -> None:
        self.indexes = array("q")
        self.scores = array("d")
        self.logits = array("d")
        self.originals = array("d")
        self.dropped = array("q")
        self.starts = array("q")
        self.ends = array("q")
        self.ids: list[str] = []

    def __len__(self) -> int:
        return len(self.indexes)

    def append(self, result: Result) -> None:
        self.indexes.append(result.index)
        self.scores.append(result.score if result.scored else math.nan)
        self.logits.append(math.nan if result.logit is None else result.logit)
        self.originals.append(math.nan if result.original_score is None else result.original_score)
        self.dropped.append(result.dropped_tokens)
        self.starts.append(result.passage.start_char if result.passage else -1)
        self.ends.append(result.passage.end_char if result.passage else -1)
        self.ids.append(result.id)

    def take(self, order: np.ndarray[tuple[int], np.dtype[np.int64]]) -> _Columns:
        taken = _Columns()
        for name in ("indexes", "scores", "logits", "originals", "dropped", "starts", "ends"):
            column: array[int] | array[float] = getattr(self, name)
            values = np.frombuffer(column, dtype=column.typecode)[order]
            getattr(taken, name).frombytes(values.tobytes())
        taken.ids = [self.ids[i] for i in order.tolist()]
        return taken

    def result(self, position: int) -> Result:
        score, logit, original = self.scores[position], self.logits[position], self.originals[position]
        start = self.starts[position]
        return Result(
            index=self.indexes[position],
            id=self.ids[position],
            score=0.0 if math.isnan(score) else score,
            scored=not math.isnan(score),
            rank=position + 1,
            logit=None if math.isnan(logit) else logit,
            original_score=None if math.isnan(original) else original,
            dropped_tokens=self.dropped[position],
            passage=None if start < 0 else Passage(start_char=start, end_char=self.ends[position]),
        )


class _LazyRanking(Sequence[Result]):
    """A ranking whose results exist only while they are looked at."""

    def __init__(self, columns: _Columns) -> None:
        self._columns = columns

    def __len__(self) -> int:
        return len(self._columns)

    @overload
    def __getitem__(self, position: int) -> Result: ...
    @overload
    def __getitem__(self, position: slice) -> Sequence[Result]: ...
    def __getitem__(self, position: int | slice) -> Result | Sequence[Result]:
        if isinstance(position, slice):
            return [self[i] for i in range(*position.indices(len(self)))]
        if not -len(self) <= position < len(self):
            raise IndexError(position)
        return self._columns.result(position % len(self))

    def __iter__(self) -> Iterator[Result]:
        return (self._columns.result(i) for i in range(len(self)))
