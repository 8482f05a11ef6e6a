"""Makes a tiny cross-encoder for sentence-transformers; runs where that is installed, without pytest."""

from __future__ import annotations

import string
from pathlib import Path


def make(directory: Path) -> None:
    """A BERT of random weights, always the same ones, large enough that its scores differ."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    directory.mkdir(parents=True)
    letters = [*string.ascii_lowercase, *string.digits, *string.punctuation]
    words = ["plants", "make", "food", "light", "water", "leaves", "green", "river", "how", "do", "the", "is"]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = [*special, *words, *letters, *(f"##{letter}" for letter in letters)]
    (directory / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    torch.manual_seed(5)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=128,
        num_labels=1,
        initializer_range=0.3,
    )
    BertForSequenceClassification(config).save_pretrained(directory)
    tokenizer = BertTokenizerFast(vocab_file=str(directory / "vocab.txt"), model_max_length=128)
    tokenizer.save_pretrained(directory)
