"""How a tokenizer joins a query and a document: found by probing, proved on awkward pairs.

Encoding the query once and joining ids is a third faster than the tokenizer's own pair encoding,
and what makes "tokenize the query once" possible at all. It is only used where it gives exactly the
tokenizer's own ids and type ids.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rerankd.backends.onnx.pairs import AssembledPair, Int32Array, TokenizedQuery, WholePair

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

_PROBE_QUERY = "which river is longest"
_PROBE_DOCUMENT = "the blue nile, 1450 km"

_AWKWARD_PAIRS = (
    ("a", ""),
    ("what is a plant?", "Plants make food from light."),
    ("  leading and trailing  ", "\n\ttabs and\u00a0spaces \u2028 "),
    ("[SEP] <s> </s> [CLS]", "[SEP]</s><s>[PAD] <pad> [MASK]"),
    (
        "\u00fcber stra\u00dfe \u0130stanbul",
        "\u4f60\u597d \u4e16\u754c e\u0301 \u200d \U0001f600\U0001f1e9\U0001f1ea",
    ),
    ("nul \x00 here", "\x00\x01\ufffd" + "x" * 200),
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PairTemplate:
    """Prefix, query, middle, document, suffix, with the type ids of each."""

    prefix_ids: Int32Array
    prefix_types: Int32Array
    query_type: int
    middle_ids: Int32Array
    middle_types: Int32Array
    document_type: int
    suffix_ids: Int32Array
    suffix_types: Int32Array

    @property
    def special_tokens(self) -> int:
        """Tokens of a pair that are neither of the query nor of the document."""
        return len(self.prefix_ids) + len(self.middle_ids) + len(self.suffix_ids)

    def query(self, encoding: Encoding) -> TokenizedQuery:
        """The query with what stands before the document."""
        ids = as_ids(encoding)
        types = np.full(len(ids), self.query_type, dtype=np.int32)
        return TokenizedQuery(
            tokens=len(ids),
            head_ids=np.concatenate([self.prefix_ids, ids, self.middle_ids]),
            head_types=np.concatenate([self.prefix_types, types, self.middle_types]),
        )

    def pair(
        self, query: TokenizedQuery, document_ids: Int32Array, *, dropped: int, span: tuple[int, int]
    ) -> AssembledPair:
        """The query with (part of) a document."""
        return AssembledPair(
            query=query,
            document_ids=document_ids,
            document_type=self.document_type,
            tail_ids=self.suffix_ids,
            tail_types=self.suffix_types,
            dropped_tokens=dropped,
            start_char=span[0],
            end_char=span[1],
        )


def as_ids(encoding: Encoding) -> Int32Array:
    """Token ids of an encoding; the runtime wants 64 bits, a quarter of a megabyte of text does not."""
    return np.array(encoding.ids, dtype=np.int32)


def find_template(tokenizer: Tokenizer) -> PairTemplate | None:
    """The tokenizer's pair template; None where pairs are not a query and a document between fixed tokens."""
    query = tokenizer.encode(_PROBE_QUERY, add_special_tokens=False)
    document = tokenizer.encode(_PROBE_DOCUMENT, add_special_tokens=False)
    template = _split(tokenizer.post_process(query, document), query.ids, document.ids)
    if template is None or not all(_is_exact(tokenizer, template, *pair) for pair in _AWKWARD_PAIRS):
        return None
    return template


def whole_pair(
    tokenizer: Tokenizer, query: Encoding, document: Encoding, *, dropped: int, span: tuple[int, int]
) -> WholePair:
    """The pair by the tokenizer's own post-processor."""
    pair = tokenizer.post_process(query, document)
    return WholePair(
        ids=as_ids(pair),
        types=np.array(pair.type_ids, dtype=np.int32),
        dropped_tokens=dropped,
        start_char=span[0],
        end_char=span[1],
    )


def _split(pair: Encoding, query_ids: list[int], document_ids: list[int]) -> PairTemplate | None:
    ids, types = pair.ids, pair.type_ids
    query = _position(ids, query_ids, 0)
    document = _position(ids, document_ids, query + len(query_ids)) if query >= 0 else -1
    if not query_ids or not document_ids or document < 0:
        return None
    query_end, document_end = query + len(query_ids), document + len(document_ids)
    query_types, document_types = set(types[query:query_end]), set(types[document:document_end])
    if len(query_types) != 1 or len(document_types) != 1:
        return None
    return PairTemplate(
        prefix_ids=np.array(ids[:query], dtype=np.int32),
        prefix_types=np.array(types[:query], dtype=np.int32),
        query_type=query_types.pop(),
        middle_ids=np.array(ids[query_end:document], dtype=np.int32),
        middle_types=np.array(types[query_end:document], dtype=np.int32),
        document_type=document_types.pop(),
        suffix_ids=np.array(ids[document_end:], dtype=np.int32),
        suffix_types=np.array(types[document_end:], dtype=np.int32),
    )


def _position(ids: list[int], part: list[int], start: int) -> int:
    """Where `part` begins in `ids`, from `start` on; -1 where it does not occur."""
    ends = range(start, len(ids) - len(part) + 1)
    return next((at for at in ends if ids[at : at + len(part)] == part), -1)


def _is_exact(tokenizer: Tokenizer, template: PairTemplate, query: str, document: str) -> bool:
    own = tokenizer.encode(query, document)
    tokenized = template.query(tokenizer.encode(query, add_special_tokens=False))
    ids = as_ids(tokenizer.encode(document, add_special_tokens=False))
    pair = template.pair(tokenized, ids, dropped=0, span=(0, len(document)))
    if pair.tokens != len(own.ids):
        return False
    row_ids, row_types = np.zeros(pair.tokens, dtype=np.int64), np.zeros(pair.tokens, dtype=np.int64)
    pair.fill(row_ids, row_types)
    return row_ids.tolist() == own.ids and row_types.tolist() == own.type_ids
