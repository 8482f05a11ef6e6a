"""Tokens of a query, of a query with a document, and of a padded batch of such pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from rerankd.backends.base import Int64Array

if TYPE_CHECKING:
    from tokenizers import Encoding

Int32Array = npt.NDArray[np.int32]
Feed = dict[str, npt.NDArray[np.int64] | npt.NDArray[np.int32]]
"""One batch as the runtime takes it: an array of (rows, longest pair) for each graph input."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TokenizedQuery:
    """A query with the special tokens around it, shared by all of its pairs."""

    tokens: int
    """Length without special tokens."""
    head_ids: Int32Array
    """What stands before the document: prefix, query, middle."""
    head_types: Int32Array
    encoding: Encoding | None = None
    """Only for tokenizers whose pairs cannot be put together from parts."""


class Pair(Protocol):
    """What a batch needs of a pair, beyond what the port shows."""

    @property
    def tokens(self) -> int:
        """Length with special tokens, without padding."""

    def fill(self, ids: Int64Array, types: Int64Array) -> None:
        """Writes the pair at the beginning of a row of ids and a row of type ids."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AssembledPair:
    """A query's head, a document's tokens, a tail: parts that are shared, not copied."""

    query: TokenizedQuery
    document_ids: Int32Array
    document_type: int
    tail_ids: Int32Array
    tail_types: Int32Array
    dropped_tokens: int
    start_char: int
    end_char: int

    @property
    def tokens(self) -> int:
        """Length with special tokens, without padding."""
        return len(self.query.head_ids) + len(self.document_ids) + len(self.tail_ids)

    def fill(self, ids: Int64Array, types: Int64Array) -> None:
        """Writes the pair at the beginning of a row of ids and a row of type ids."""
        document = len(self.query.head_ids)
        tail = document + len(self.document_ids)
        end = tail + len(self.tail_ids)
        ids[:document] = self.query.head_ids
        ids[document:tail] = self.document_ids
        ids[tail:end] = self.tail_ids
        types[:document] = self.query.head_types
        types[document:tail] = self.document_type
        types[tail:end] = self.tail_types


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WholePair:
    """A pair as the tokenizer itself put it together."""

    ids: Int32Array
    types: Int32Array
    dropped_tokens: int
    start_char: int
    end_char: int

    @property
    def tokens(self) -> int:
        """Length with special tokens, without padding."""
        return len(self.ids)

    def fill(self, ids: Int64Array, types: Int64Array) -> None:
        """Writes the pair at the beginning of a row of ids and a row of type ids."""
        ids[: len(self.ids)] = self.ids
        types[: len(self.types)] = self.types


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchAssembler:
    """Pads pairs on the right into the arrays that the graph takes."""

    inputs: Mapping[str, npt.DTypeLike]
    """Graph inputs and their integer types."""
    pad_token_id: int
    first_position: int = 0
    """Position of the first token; padding stands at the position before it, as RoBERTa counts,
    unless the first is 0."""
    type_vocab_size: int | None = None
    """Type ids that the model has no row for become 0; 0 or None = the model is not known to be limited."""

    def assemble(self, pairs: Sequence[Pair], rows: int = 0, width: int = 0) -> Feed:
        """The batch, one row a pair, as wide as the longest of them.

        `rows` and `width` are the least that it has of both. A row beyond the pairs shows one padding
        token, because the softmax of a row that shows none is not a number.
        """
        lengths = np.ones(max(rows, len(pairs)), dtype=np.int64)
        lengths[: len(pairs)] = [pair.tokens for pair in pairs]
        shape = (len(lengths), max(width, int(lengths.max(initial=0))))
        ids = np.full(shape, self.pad_token_id, dtype=np.int64)
        types = np.zeros(shape, dtype=np.int64)
        for row, pair in enumerate(pairs):
            pair.fill(ids[row], types[row])
        if self.type_vocab_size:
            types[types >= self.type_vocab_size] = 0
        mask = np.arange(shape[1]) < lengths[:, np.newaxis]
        arrays = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
        if "position_ids" in self.inputs:
            arrays["position_ids"] = self._positions(mask)
        return {name: arrays[name].astype(dtype, copy=False) for name, dtype in self.inputs.items()}

    def _positions(self, mask: npt.NDArray[np.bool_]) -> Int64Array:
        positions = np.arange(self.first_position, self.first_position + mask.shape[1], dtype=np.int64)
        return np.where(mask, positions, max(0, self.first_position - 1))


def stand_in(assembler: BatchAssembler, tokens: int) -> WholePair:
    """A pair of the given length whose text does not matter."""
    ids = np.full(tokens, assembler.pad_token_id + 1 if assembler.pad_token_id == 0 else 0, dtype=np.int32)
    types = np.zeros(tokens, dtype=np.int32)
    return WholePair(ids=ids, types=types, dropped_tokens=0, start_char=0, end_char=0)
