"""The architecture of the bundled model: a bi-encoder that learns to look across.

One pass over `[CLS] query [SEP] document [SEP]`. In the first layers query and document do not see each
other (which would allow their states to be computed beforehand, as in PreTTR, MacAvaney et al. 2020); in the
others a learned bias for each head opens the way. With the gates shut it computes what a bi-encoder does, so
that it starts from one instead of from nothing. The logit adds up the cosine of the two segments' means,
matches of terms, and a linear head over both means.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from rerankd.training.modeling.gated_attention import SHUT, AttentionBias, attention
from rerankd.training.modeling.matching import Segments, TermMatching, nearest_matching


class SegmentGatedConfig(PretrainedConfig):
    """Sizes of the model; those not told here are BERT's."""

    model_type = "rerankd-segment-gated"

    def __init__(
        self,
        *,
        vocab_size: int = 12_000,
        hidden_size: int = 384,
        num_hidden_layers: int = 6,
        num_attention_heads: int = 12,
        intermediate_size: int = 1536,
        max_position_embeddings: int = 512,
        layer_norm_eps: float = 1e-12,
        blocked_layers: int = 2,
        initial_gate: float = -4.0,
        special_token_ids: tuple[int, ...] | list[int] = (0,),
        **others: Any,
    ) -> None:
        """`blocked_layers`: first layers in which the segments do not see each other."""
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.num_hidden_layers = num_hidden_layers
        self.num_attention_heads = num_attention_heads
        self.intermediate_size = intermediate_size
        self.max_position_embeddings = max_position_embeddings
        self.layer_norm_eps = layer_norm_eps
        self.blocked_layers = blocked_layers
        self.initial_gate = initial_gate
        self.special_token_ids = list(special_token_ids)
        others.setdefault("num_labels", 1)
        super().__init__(**others)


class Affine(nn.Module):
    """x W + b with W as (inputs, outputs): it is exported under its own name, ready for MatMul."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Of shape (..., inputs)."""
        return torch.matmul(x, self.weight) + self.bias


class Embeddings(nn.Module):
    """Token and position; positions restart with the document, as a bi-encoder has it."""

    def __init__(self, config: SegmentGatedConfig) -> None:
        super().__init__()
        self.word = nn.Embedding(config.vocab_size, config.hidden_size)
        self.position = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, input_ids: Tensor, segments: Segments) -> Tensor:
        """(B, L) to (B, L, hidden)."""
        place = torch.cumsum(torch.ones_like(input_ids), dim=1) - 1
        query_length = segments.query.sum(1, keepdim=True).to(place.dtype)
        # A document by itself would begin with [CLS], so that its first token stands at 1.
        place = place - (segments.document > 0).to(place.dtype) * (query_length - 1)
        return self.norm(self.word(input_ids) + self.position(place))


class Layer(nn.Module):
    """A BERT layer whose attention scores get a bias."""

    def __init__(self, config: SegmentGatedConfig) -> None:
        super().__init__()
        self.heads = config.num_attention_heads
        size = config.hidden_size
        self.query, self.key, self.value = Affine(size, size), Affine(size, size), Affine(size, size)
        self.output = Affine(size, size)
        self.attention_norm = nn.LayerNorm(size, eps=config.layer_norm_eps)
        self.up, self.down = Affine(size, config.intermediate_size), Affine(config.intermediate_size, size)
        self.norm = nn.LayerNorm(size, eps=config.layer_norm_eps)

    def forward(self, x: Tensor, bias: AttentionBias) -> Tensor:
        """(B, L, hidden) to the same."""
        query, key, value = (self._split(affine(x)) for affine in (self.query, self.key, self.value))
        mixed = attention(query, key, value, bias).transpose(1, 2).reshape(x.shape)
        x = self.attention_norm(x + self.output(mixed))
        return self.norm(x + self.down(functional.gelu(self.up(x))))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class SegmentGatedModel(PreTrainedModel):
    """Scores pairs; one logit each, higher = more relevant."""

    config_class = SegmentGatedConfig
    base_model_prefix = ""
    config: SegmentGatedConfig
    special: Tensor
    """1 for the ids of special tokens; (vocabulary,)."""

    FEATURES = ("cosine", "terms", "term_pairs", "nearest_early", "nearest_late")
    GATE_STEP = 50.0

    def __init__(self, config: SegmentGatedConfig) -> None:
        super().__init__(config)
        size = config.hidden_size
        open_layers = config.num_hidden_layers - config.blocked_layers
        self.embeddings = Embeddings(config)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))
        self.gates = nn.Parameter(
            torch.full((open_layers, config.num_attention_heads), config.initial_gate / self.GATE_STEP)
        )
        self.matching = TermMatching(config.vocab_size)
        self.feature_weights = nn.Parameter(torch.ones(len(self.FEATURES)) / TermMatching.STEP)
        self.head = Affine(3 * size, 1)
        self.register_buffer("special", torch.zeros(config.vocab_size))
        self.post_init()
        self._mark_special()

    def _mark_special(self) -> None:
        self.special.zero_()
        self.special[self.config.special_token_ids] = 1.0

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, Affine):
            nn.init.normal_(module.weight, std=1 / math.sqrt(module.weight.shape[0]))
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)
        if module is self.head:
            nn.init.zeros_(module.weight)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        token_type_ids: Tensor,
        labels: Tensor | None = None,
        **_: Any,
    ) -> SequenceClassifierOutput:
        """Int64 (B, L) each; `token_type_ids` is 1 on the document and its [SEP]. Logits are (B, 1).

        `labels` is for the signature that trainers expect; losses are theirs.
        """
        return SequenceClassifierOutput(logits=self.logits(input_ids, attention_mask, token_type_ids))

    def logits(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Tensor:
        """(B, 1)."""
        features, query, document = self.features(input_ids, attention_mask, token_type_ids)
        joined = torch.cat([query * document, (query - document).abs(), query + document], dim=-1)
        weights = TermMatching.STEP * self.feature_weights
        return (features * weights).sum(-1, keepdim=True) + self.head(joined.to(self.head.weight.dtype))

    def features(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The values that are added up, (B, FEATURES), and the unit means of both segments, (B, hidden)."""
        segments = self._segments(input_ids, attention_mask, token_type_ids)
        terms, term_pairs, weights = self.matching(input_ids, segments)
        early, late = self._states(input_ids, attention_mask, segments)
        query = _unit_mean(late, segments.query)
        document = _unit_mean(late, segments.document)
        features = [
            (query * document).sum(-1),
            terms,
            term_pairs,
            nearest_matching(early.float(), weights, segments),
            nearest_matching(late.float(), weights, segments),
        ]
        return torch.stack([feature.float() for feature in features], dim=-1), query, document

    def _segments(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Segments:
        mask = attention_mask.to(torch.float32)
        document = mask * token_type_ids.to(torch.float32)
        terms = 1 - functional.embedding(input_ids, self.special[:, None]).squeeze(-1)
        query = mask - document
        return Segments(query, document, query * terms, document * terms)

    def _states(self, input_ids: Tensor, attention_mask: Tensor, segments: Segments) -> tuple[Tensor, Tensor]:
        """Hidden states after the blocked layers, and after the last one."""
        x = early = self.embeddings(input_ids, segments)
        sides = 2 * segments.document - 1
        padding = 1 - attention_mask.to(sides.dtype)
        shut = torch.full_like(self.gates[0], SHUT)
        for number, layer in enumerate(self.layers):
            opened = number - self.config.blocked_layers
            gates = shut if opened < 0 else self.GATE_STEP * self.gates[opened]
            x = layer(x, AttentionBias(gates, sides, padding))
            early = x if opened < 0 else early
        return early, x


def _unit_mean(states: Tensor, mask: Tensor) -> Tensor:
    total = (states.float() * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
    return functional.normalize(total, dim=-1)
