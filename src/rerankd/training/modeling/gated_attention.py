"""Attention in which each head has its own bias between the two segments of a pair."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

SHUT = -60.0
"""A gate that lets nothing through: e to this power is less than float32 can add to 1."""

_PADDED = -1e4
"""Far below any score, and within the range of float16."""


@dataclass(frozen=True, slots=True)
class AttentionBias:
    """What is added to the scores of one layer; B = batch, L = padded length."""

    gates: Tensor
    """Of each head, for scores between a query token and a document token; (heads,)."""
    sides: Tensor
    """1 for tokens of the document, -1 for all others; float (B, L)."""
    padding: Tensor
    """1 for padding; float (B, L)."""

    def added(self) -> Tensor:
        """The bias itself, (B, heads, L, L)."""
        across = 0.5 * (1 - self.sides[:, None, :, None] * self.sides[:, None, None, :])
        return _PADDED * self.padding[:, None, None, :] + self.gates[None, :, None, None] * across

    def as_dimensions(self, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        """Queries and keys with two more dimensions, whose products are the bias.

        Less half the gate, which is the same for all keys and so is nothing to a softmax. It costs a
        fraction of adding L x L numbers for each head.
        """
        sides = self.sides[:, None, :, None]
        gates = -0.5 * self.gates[None, :, None, None] * sides
        padding = _PADDED * self.padding[:, None, :, None]
        more_query = torch.cat([gates, torch.ones_like(gates)], dim=-1)
        more_key = torch.cat([sides, padding], dim=-1).expand(-1, key.shape[1], -1, -1)
        return torch.cat([query, more_query], dim=-1), torch.cat([key, more_key], dim=-1)


def attention(query: Tensor, key: Tensor, value: Tensor, bias: AttentionBias) -> Tensor:
    """All of (B, heads, L, size). The same numbers in two ways: one trains fast, one serves fast."""
    if not (torch.compiler.is_exporting() or torch.onnx.is_in_onnx_export()):
        mask = bias.added().to(query.dtype)
        return functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    query, key = bias.as_dimensions(query / math.sqrt(query.shape[-1]), key)
    return torch.matmul(torch.softmax(torch.matmul(query, key.transpose(-1, -2)), dim=-1), value)
