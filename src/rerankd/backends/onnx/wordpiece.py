"""Token ids by `nanotoken`, in a twentieth of the time, where they are proved to be those of `tokenizers`.

It makes ids only, no offsets, and knows WordPiece alone. Here it is given the pipeline of BERT and nothing
else, because there both libraries take what Unicode says of a character from the same tables. It is never
asked to join pairs, and always works in the thread that calls it.
"""

from __future__ import annotations

import itertools
import logging
from typing import TYPE_CHECKING

import numpy as np

from rerankd.backends.onnx.failures import short_cause
from rerankd.backends.onnx.pairs import Int32Array
from rerankd.backends.onnx.settings import TokenizerLibrary
from rerankd.core.errors import ModelFailedError

if TYPE_CHECKING:
    from nanotoken import WordPieceTokenizer
    from tokenizers import Tokenizer

logger = logging.getLogger(__name__)

CACHE_ENTRIES = 8192
"""Words that a thread remembers, and as many pieces between spaces. The library's own bound, a million,
takes up to 130 MiB a thread. This one takes 2.5 MiB of the worst text, and 2.2 us instead of 1.9 us a passage
of 370 characters; without any it is 9.7 us, and 76 us by `tokenizers`."""

_LARGEST_ID = 1 << 22
"""The library makes a table as long as the largest id; those of real vocabularies end below a million."""

_MOST_ADDED_TOKENS = 256
"""Added tokens that the proof at load tries, so that it stays short."""

_PROOF_TEXTS = (
    "",
    "\x00",
    "nul \x00 here\x01\x7f\x0b\x0ctabs\t\r\n \x85\u00a0\u1680\u2003\u2028\u2029\u202f\u3000 spaces",
    "The plant, the PLANT; plants' (light) isn't 1,450.5 km/h: $^`|~+<=> _a_ ##ing ## # it",
    "... !!!?? --- \u2026 \u00ab\u2014\u00bb \u3002\uff0c \u00a1\u00bf \u2e3a\u2e52 \u00a7\u00b6",
    "\u00dcber stra\u00dfe \u0130stanbul \u0131 \u017ft \u1e9e \ufb01",
    "\u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2 \u01c5 \u216b",
    "e\u0301 a\u0323\u0301 \u0301a \u0345 \u1fb3 n\u0303o \u1ab0 \u20dd o\u0338",
    "\u0928\u093c \u0e33 \u0b95\u0bc6\u0bbe",
    "\u4f60\u597d\u4e16\u754c \uf900 \u3400\u9fff\U00020000\U0002f800",
    "\u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8 \u30ac \u304b\u3099 \uff8a\uff9f",
    "\ud55c\uad6d\uc5b4 \u1112\u1161\u11ab\u1100 \ud7a3\ud7b0",
    "a\u200bb \u200c\u200d\u2060\ufeff\u00ad \u202e \ufffd \ue000 \U000e0041 \U000f0000 \u0378",
    "\U0001f600\U0001f1e9\U0001f1ea \U0001f468\u200d\U0001f469 \u2764\ufe0f \U0001d400 \U00010400\U0001e900",
    "\u0663\u0968 \u00bd\u00b2\u2460 \u0660",
    # New capitals of Unicode 11 to 17, which a table of another year does not know.
    "\u1c90 \U00016e40 \ua7c2 \ua7c7 \u2c2f \U00010570 \U00010d50 \ua7ce \U00016ea0",
    *(letter * length for letter in ("x", "\u00e9") for length in (99, 100, 101, 150)),
    f"{'x.' * 120} {'a' * 15} {'a' * 16} {'ab' * 32} {'ab' * 33}",
    "[CLS] [SEP] [PAD] [UNK] [MASK] [SE P] [sep] </s><s> <mask>",
)


class WordPieceEngine:
    """Ids of whole texts. Safe to use from several threads; it works without the interpreter's lock."""

    def __init__(self, library: WordPieceTokenizer) -> None:
        """Takes a library that is proved; `open_engine` makes one."""
        self._library = library

    def ids(self, texts: list[str]) -> list[Int32Array] | None:
        """The ids of each text without special tokens; None where the library fails, which the log tells.

        Raises:
            UnicodeEncodeError: A text has half of a surrogate pair.
        """
        try:
            # Its own threads would come on top of those that the engine has for this.
            flat, bounds = self._library.encode_batch(texts, add_special_tokens=False, parallel=False)
        except UnicodeEncodeError:
            raise
        except BaseException as error:
            if not _is_failure(error):
                raise
            logger.warning(
                "nanotoken failed on a batch, which tokenizers reads instead",
                extra={"texts": len(texts), "reason": short_cause(error)},
            )
            return None
        ids, ends = flat.view(np.int32), bounds.tolist()
        # Copies, so that a text does not keep the ids of its neighbours alive.
        return [ids[start:end].copy() for start, end in itertools.pairwise(ends)]


def open_engine(
    tokenizer: Tokenizer, wanted: TokenizerLibrary, *, joins_by_template: bool
) -> WordPieceEngine | None:
    """The engine for a model's tokenizer; None where `tokenizers` does the work.

    Raises:
        ModelFailedError: It was asked for by name, and the extra `wordpiece` is not installed or the
            tokenizer is not one for it.
    """
    if wanted is TokenizerLibrary.TOKENIZERS:
        return None
    obstacle = _obstacle(tokenizer, joins_by_template=joins_by_template)
    engine, problem = (None, obstacle) if obstacle else _proved(tokenizer)
    if engine is None and wanted is TokenizerLibrary.WORDPIECE:
        raise ModelFailedError(
            f"tokenizer wordpiece was asked for, but {problem}", metadata={"asked": wanted.value}
        )
    if engine is not None:
        logger.info("nanotoken reads the documents of a model")
    else:
        # Other families and servers without the extra are usual; a proof that fails is not.
        level = logging.INFO if obstacle else logging.WARNING
        logger.log(level, "tokenizers reads the documents of a model", extra={"reason": problem})
    return engine


def _obstacle(tokenizer: Tokenizer, *, joins_by_template: bool) -> str:
    """Why the engine cannot be for this tokenizer, or is not here; empty where nothing is in its way."""
    from tokenizers import models, normalizers, pre_tokenizers

    if not joins_by_template:
        return "the tokenizer joins each pair itself"
    pipeline = (
        (tokenizer.model, models.WordPiece),
        (tokenizer.normalizer, normalizers.BertNormalizer),
        (tokenizer.pre_tokenizer, pre_tokenizers.BertPreTokenizer),
    )
    if not all(isinstance(part, kind) for part, kind in pipeline):
        return "the tokenizer is not the WordPiece of BERT"
    if max(tokenizer.get_vocab(with_added_tokens=True).values(), default=0) > _LARGEST_ID:
        return f"a token's id is above {_LARGEST_ID}"
    try:
        import nanotoken  # noqa: F401
    except ImportError:
        return "nanotoken is not installed: pip install 'rerankd[wordpiece]'"
    return ""


def _proved(tokenizer: Tokenizer) -> tuple[WordPieceEngine | None, str]:
    """An engine whose ids are those of `tokenizers`, or None and what is wrong with it."""
    import nanotoken

    if nanotoken.get_cache_entries() > CACHE_ENTRIES:
        nanotoken.set_cache_entries(CACHE_ENTRIES)
    try:
        # As `tokenizers` understood the file, not as it is written.
        engine = WordPieceEngine(nanotoken.WordPieceTokenizer.from_json(tokenizer.to_str()))
    except BaseException as error:
        if not _is_failure(error):
            raise
        return None, f"nanotoken cannot read the tokenizer: {short_cause(error)}"
    texts = [*_PROOF_TEXTS, *_around_added_tokens(tokenizer)]
    found = engine.ids(texts)
    if found is None:
        return None, "nanotoken fails on the texts that are tried at load"
    try:
        wanted = tokenizer.encode_batch(texts, add_special_tokens=False)
    except Exception as error:  # The library raises bare Exception.
        return None, f"tokenizers fails on the texts that are tried at load: {short_cause(error)}"
    differing = [
        text for text, ids, encoding in zip(texts, found, wanted, strict=True) if ids.tolist() != encoding.ids
    ]
    if differing:
        return None, f"nanotoken makes other ids than tokenizers of {differing[0]!a:.80}"
    return engine, ""


def _is_failure(error: BaseException) -> bool:
    """Whether the library failed: a panic of Rust is no Exception, and its class cannot be imported."""
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


def _around_added_tokens(tokenizer: Tokenizer) -> list[str]:
    """Each added token alone, in a word, among spaces and beside itself."""
    added = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
    return [
        f"{token} a{token}b {token}{token.lower()}  \t{token}\n{token.upper()} , {token}"
        for token in added[:_MOST_ADDED_TOKENS]
    ]
