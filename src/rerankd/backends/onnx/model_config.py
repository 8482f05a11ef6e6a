"""What `config.json` and `tokenizer_config.json` say about a model, read with suspicion.

Both files come from strangers and are often incomplete; nothing here fails on a missing or silly
value, it falls back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rerankd.artifacts.files import ModelFiles


FALLBACK_MAX_TOKENS = 512
"""Used where no file tells the limit: nearly every cross-encoder was trained with it."""

_LARGEST_SANE_LENGTH = 1_000_000
"""`model_max_length` is 10^30 where its author never set it."""

_POSITIONS_AFTER_PADDING = frozenset(
    {
        "camembert",
        "data2vec-text",
        "ibert",
        "longformer",
        "mpnet",
        "roberta",
        "roberta-prelayernorm",
        "xlm-roberta",
        "xlm-roberta-xl",
        "xmod",
    }
)
"""Families that number positions from `pad_token_id + 1`, so that 514 rows read 512 tokens."""

_POSITIVE_NAMES = frozenset({"1", "entailment", "match", "pos", "positive", "relevant", "true", "yes"})
"""Names by which authors call the class that means "this document answers the query"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """The few facts of a repository's JSON files that scoring depends on."""

    max_tokens: int
    """Longest pair the model reads."""
    first_position: int
    """Number of the first token's position, where the graph takes `position_ids`."""
    pad_token_id: int | None
    pad_token: str | None
    type_vocab_size: int | None
    """Rows of the segment embedding; 0 = the model has none."""
    positive_class: int | None
    """Index of the output that means "relevant", where the label names say so."""


def read_model_config(files: ModelFiles) -> ModelConfig:
    """Facts of the model's JSON files, with fallbacks for what they leave out."""
    config, tokenizer_config = files.config, files.tokenizer_config
    pad_id = _int(config, "pad_token_id")
    family = str(config.get("model_type", ""))
    first_position = 0
    if family in _POSITIONS_AFTER_PADDING:
        first_position = (1 if pad_id is None else pad_id) + 1
    return ModelConfig(
        max_tokens=_max_tokens(config, tokenizer_config, first_position),
        first_position=first_position,
        pad_token_id=pad_id,
        pad_token=_token_text(tokenizer_config.get("pad_token")),
        type_vocab_size=_int(config, "type_vocab_size"),
        positive_class=_positive_class(config),
    )


def _max_tokens(
    config: Mapping[str, object], tokenizer_config: Mapping[str, object], first_position: int
) -> int:
    limits = []
    positions = _int(config, "max_position_embeddings")
    if positions is not None and positions > first_position:
        limits.append(positions - first_position)
    length = _int(tokenizer_config, "model_max_length")
    if length is not None and 0 < length <= _LARGEST_SANE_LENGTH:
        limits.append(length)
    return min(limits, default=FALLBACK_MAX_TOKENS)


def _positive_class(config: Mapping[str, object]) -> int | None:
    """The one label with a positive name; None where no label or several have one."""
    named = [index for index, label in _labels(config).items() if label.strip().lower() in _POSITIVE_NAMES]
    return named[0] if len(named) == 1 else None


def _labels(config: Mapping[str, object]) -> dict[int, str]:
    id2label = config.get("id2label")
    if isinstance(id2label, Mapping):
        return {int(key): str(value) for key, value in id2label.items() if str(key).isdecimal()}
    label2id = config.get("label2id")
    if isinstance(label2id, Mapping):
        return {int(value): str(key) for key, value in label2id.items() if str(value).isdecimal()}
    return {}


def _int(mapping: Mapping[str, object], key: str) -> int | None:
    value = mapping.get(key)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _token_text(value: object) -> str | None:
    """Old tokenizer configs wrap a token as `{"content": "[PAD]", ...}`."""
    if isinstance(value, Mapping):
        value = value.get("content")
    return value if isinstance(value, str) else None
