"""Tokenizers of every family that cross-encoders use, a few hundred entries each.

All cover the letters, so that no two English texts become the same tokens.
"""

from __future__ import annotations

import string
from collections.abc import Callable

from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors

NAN_WORD = "notanumber"
"""The tiny models give NaN to every pair that contains this word; it is their last token."""

_WORDS = (
    "the",
    "of",
    "and",
    "plant",
    "plants",
    "food",
    "light",
    "river",
    "how",
    "what",
    "is",
    "are",
    "green",
)
_CHARACTERS = string.ascii_lowercase + string.digits + string.punctuation + "éüñß中文日本語"


def bert() -> Tokenizer:
    """WordPiece, `[CLS] q [SEP] d [SEP]`, type 1 for the document."""
    tokenizer = _wordpiece()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return _finished(tokenizer, ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])


def roberta() -> Tokenizer:
    """Byte-level BPE, `<s> q </s></s> d </s>`, all types 0."""
    tokenizer = _byte_level(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False
    )
    return _finished(tokenizer, ["<s>", "<pad>", "</s>", "<unk>", "<mask>"])


def xlm_roberta() -> Tokenizer:
    """Unigram over metaspaces, `<s> q </s></s> d </s>`."""
    specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer = _unigram(specials, unknown=3)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return _finished(tokenizer, specials)


def deberta() -> Tokenizer:
    """Unigram over metaspaces, `[CLS] q [SEP] d [SEP]`."""
    specials = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"]
    tokenizer = _unigram(specials, unknown=3)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 1), ("[SEP]", 2)],
    )
    return _finished(tokenizer, specials)


def modernbert() -> Tokenizer:
    """Byte-level BPE, `[CLS] q [SEP] d [SEP]`, all types 0."""
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = _byte_level(specials)
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:0 [SEP]:0",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return _finished(tokenizer, specials)


def document_first() -> Tokenizer:
    """WordPiece, `[CLS] d [SEP] q [SEP]`: an order that cannot be put together from a query's head."""
    tokenizer = _wordpiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS]:0 $B:0 [SEP]:0 $A:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return _finished(tokenizer, ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])


TOKENIZERS: dict[str, Callable[[], Tokenizer]] = {
    "bert": bert,
    "roberta": roberta,
    "xlm-roberta": xlm_roberta,
    "deberta": deberta,
    "modernbert": modernbert,
    "document-first": document_first,
}
"""By architecture."""


def _wordpiece() -> Tokenizer:
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *_WORDS, *_CHARACTERS]
    pieces += [f"##{character}" for character in _CHARACTERS]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def _byte_level(specials: list[str]) -> Tokenizer:
    merges = [("t", "h"), ("th", "e"), ("\u0120", "the"), ("\u0120", "a"), ("i", "n"), ("e", "r"), ("l", "a")]
    pieces = [*specials, *sorted(pre_tokenizers.ByteLevel.alphabet()), *("".join(merge) for merge in merges)]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return tokenizer


def _unigram(specials: list[str], unknown: int) -> Tokenizer:
    pieces = [*specials, "\u2581", *_CHARACTERS, *string.ascii_uppercase]
    words = [piece for word in _WORDS for piece in (word, f"\u2581{word}")]
    vocabulary = [(piece, -6.0) for piece in dict.fromkeys(pieces)]
    vocabulary += [(piece, -3.0) for piece in dict.fromkeys(words)]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=unknown, byte_fallback=False))
    tokenizer.normalizer = normalizers.NFKC()
    return tokenizer


def _finished(tokenizer: Tokenizer, specials: list[str]) -> Tokenizer:
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in specials])
    tokenizer.add_tokens([AddedToken(NAN_WORD, normalized=False)])
    return tokenizer
