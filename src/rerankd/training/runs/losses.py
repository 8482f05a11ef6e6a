"""The losses of sentence-transformers with a weight for each example.

Imported by the worker alone: it needs torch. The weight comes as the last number of a label, because labels
are the only numbers that a cross-encoder's collator hands on.
"""

from __future__ import annotations

from typing import Any

import torch
from sentence_transformers.cross_encoder import CrossEncoder
from sentence_transformers.cross_encoder.losses import BinaryCrossEntropyLoss, ListNetLoss
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy


class WeightedListNetLoss(ListNetLoss):
    """Cross entropy between a target distribution and the softmax of a query's logits.

    A label is the logarithm of the target for each document, then the weight of the query.
    """

    def __init__(self, model: CrossEncoder, mini_batch_size: int) -> None:
        super().__init__(model, mini_batch_size=mini_batch_size)
        self.cross_entropy_loss = _WeightedCrossEntropy()  # type: ignore[assignment]

    def forward(self, inputs: Any, labels: list[Tensor], prompt: Any = None, task: Any = None) -> Tensor:
        self.cross_entropy_loss.weights = torch.stack([label[-1] for label in labels])
        return super().forward(inputs, [label[:-1] for label in labels], prompt=prompt, task=task)


class WeightedBinaryLoss(BinaryCrossEntropyLoss):
    """Cross entropy of each pair by itself. A label is how relevant the pair is (0 to 1), then its weight."""

    def __init__(self, model: CrossEncoder, pos_weight: float) -> None:
        super().__init__(model)
        self.bce_with_logits_loss = _WeightedBinary(pos_weight)  # type: ignore[assignment]

    def forward(self, inputs: Any, labels: Any, prompt: Any = None, task: Any = None) -> Tensor:
        both = torch.stack(list(labels))
        self.bce_with_logits_loss.weights = both[:, 1]
        return super().forward(inputs, both[:, 0], prompt=prompt, task=task)


class _WeightedCrossEntropy(nn.Module):
    weights: Tensor

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        each = cross_entropy(logits, target, reduction="none")
        return (each * self.weights.to(each)).mean()


class _WeightedBinary(nn.Module):
    weights: Tensor

    def __init__(self, pos_weight: float) -> None:
        super().__init__()
        self._pos_weight = pos_weight

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        return binary_cross_entropy_with_logits(
            logits.float(),
            labels.to(logits.device),
            weight=self.weights.to(logits.device),
            pos_weight=torch.tensor(self._pos_weight, device=logits.device),
        )
