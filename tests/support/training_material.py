"""Small things to train with: a base model of a few kilobytes, and a corpus whose answer is easy to learn."""

from __future__ import annotations

import json
import random
from pathlib import Path

from support.tiny_tokenizers import TOKENIZERS

__all__ = ["SIZES", "bert_tokenizer", "tiny_bert", "write_base", "write_groups"]

SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
}

_WORDS = ("the", "of", "and", "plant", "plants", "food", "light", "river", "how", "what", "is", "are")
_RELEVANT, _OTHER = "green", "what"


def bert_tokenizer():
    """A fast tokenizer of transformers over the tiny WordPiece vocabulary."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=TOKENIZERS["bert"](),
        model_max_length=512,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        **{f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")},
    )


def tiny_bert(seed: int = 0, *, dropout: float = 0.1):
    """A BERT with random weights whose logits spread."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=TOKENIZERS["bert"]().get_vocab_size(),
        num_labels=1,
        initializer_range=0.2,
        hidden_dropout_prob=dropout,
        **SIZES,
    )
    return BertForSequenceClassification(config).eval()


def write_base(directory: Path) -> Path:
    """A base model as a checkpoint of transformers."""
    tiny_bert().save_pretrained(directory)
    bert_tokenizer().save_pretrained(directory)
    return directory


def write_groups(corpus: Path, groups: int = 48, *, documents: int = 5, seed: int = 3) -> Path:
    """groups.jsonl in a corpus' folder; a document is relevant if it says "green"."""
    corpus.mkdir(parents=True, exist_ok=True)
    dice = random.Random(seed)
    with (corpus / "groups.jsonl").open("w", encoding="utf-8") as file:
        for number in range(groups):
            file.write(json.dumps(_group(number, documents, dice)) + "\n")
    return corpus


def _group(number: int, documents: int, dice: random.Random) -> dict[str, object]:
    words = [" ".join(dice.choices(_WORDS, k=8)) for _ in range(documents)]
    return {
        "query_id": f"q{number}",
        "query": f"{' '.join(dice.choices(_WORDS, k=3))} {number}",
        "documents": [
            {
                "id": f"d{number}-{place}",
                "text": f"{_OTHER if place else _RELEVANT} {text}",
                "label": float(not place),
                "teachers": {"bm25": dice.random() + (not place), "model": dice.random()},
            }
            for place, text in enumerate(words)
        ],
        "weight": 1.0,
        "source": "qrels",
    }
