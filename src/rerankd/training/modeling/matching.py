"""How well the words of a query are found in a document, computed from token ids and hidden states.

All inputs are padded pairs `[CLS] query [SEP] document [SEP]`; B = batch, L = padded length. Nothing here
depends on the other pairs of the batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

_LEAST_WEIGHT = 1e-6
"""Keeps a query without a single content token from dividing by zero."""


@dataclass(frozen=True, slots=True)
class Segments:
    """Which positions of a pair are what; float masks of shape (B, L)."""

    query: Tensor
    """[CLS], the query and its [SEP]."""
    document: Tensor
    """The document and its [SEP]."""
    query_terms: Tensor
    """The query without special tokens."""
    document_terms: Tensor
    """The document without special tokens."""


class TermMatching(nn.Module):
    """Saturated term frequencies of query tokens in the document, weighted by token.

    BM25's formula (Robertson and Zaragoza 2009) over WordPiece tokens, with learned token weights that start
    as inverse document frequencies, for single tokens and for pairs of neighbours. Divided by the weight of
    the whole query, so that both values lie between 0 and 1.
    """

    STEP = 50.0
    """Scalars move slower than matrices under one learning rate; this factor evens it out."""

    def __init__(self, vocabulary_size: int) -> None:
        super().__init__()
        self.idf = nn.Parameter(torch.ones(vocabulary_size), requires_grad=False)
        self.change = nn.Parameter(torch.zeros(vocabulary_size))
        self.saturation = nn.Parameter(torch.tensor([0.9, 0.4]) / self.STEP)
        self.mean_length = nn.Parameter(torch.tensor(100.0), requires_grad=False)

    def weights(self) -> Tensor:
        """The weight of each token of the vocabulary, not below 0; shape (vocabulary,)."""
        return functional.relu(self.idf * (1 + self.STEP * self.change))

    def forward(self, input_ids: Tensor, segments: Segments) -> tuple[Tensor, Tensor, Tensor]:
        """Match of tokens (B,), of neighbouring pairs (B,), and the weight of each query token (B, L)."""
        weights = functional.embedding(input_ids, self.weights()[:, None]).squeeze(-1) * segments.query_terms
        equal = (input_ids[:, :, None] == input_ids[:, None, :]).to(weights.dtype)
        equal = equal * segments.query_terms[:, :, None] * segments.document_terms[:, None, :]
        pairs = equal[:, :-1, :-1] * equal[:, 1:, 1:]
        pair_weights = 0.5 * (weights[:, :-1] + weights[:, 1:]) * segments.query_terms[:, 1:]
        norm = self._norm(segments.document_terms)
        return (
            _weighted(_saturated(equal.sum(-1), norm), weights),
            _weighted(_saturated(pairs.sum(-1), norm), pair_weights),
            weights,
        )

    def _norm(self, document_terms: Tensor) -> Tensor:
        k1, b = (self.STEP * self.saturation).unbind()
        return k1 * (1 - b + b * document_terms.sum(-1, keepdim=True) / self.mean_length)


def nearest_matching(states: Tensor, weights: Tensor, segments: Segments) -> Tensor:
    """Mean over query tokens of the largest cosine with any document token, weighted by token; shape (B,).

    Late interaction as in ColBERT (Khattab and Zaharia 2020); `states` is (B, L, hidden).
    """
    unit = functional.normalize(states, dim=-1)
    cosines = torch.matmul(unit, unit.transpose(1, 2))
    # Far enough below any cosine, and no infinity that could become a NaN.
    cosines = cosines - 4.0 * (1 - segments.document_terms[:, None, :])
    return _weighted(cosines.amax(-1), weights)


def _saturated(frequency: Tensor, norm: Tensor) -> Tensor:
    return frequency / (frequency + norm)


def _weighted(values: Tensor, weights: Tensor) -> Tensor:
    return (values * weights).sum(-1) / (weights.sum(-1) + _LEAST_WEIGHT)
