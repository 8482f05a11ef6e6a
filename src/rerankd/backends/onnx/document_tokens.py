"""A document's token ids, and where in the text its tokens stand.

Offsets come from `tokenizers` alone, and take many times as long as ids by another library. Of a document
that is cut they are wanted for a token or two of each window, so its text is parted where tokens of the one
side do not depend on the other, and only the pieces with those tokens are encoded.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from rerankd.backends.onnx.pairs import Int32Array
from rerankd.backends.onnx.template import as_ids

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

Span = tuple[int, int]
"""A range of characters or of tokens, end exclusive."""

Encode = Callable[[list[str]], "list[Encoding]"]
MakeIds = Callable[[list[str]], "list[Int32Array] | None"]

_PIECE_CHARACTERS = 256
"""Least length of a piece. Longer ones make more offsets that nobody wants, shorter ones more pieces."""

_SPACE = re.compile(r"(?<!\s)[ \t\n\r]")
"""The first of some spaces: an added token may take those in front of it along."""
_SPACE_OR_IDEOGRAPH = re.compile(r"(?<!\s)[ \t\n\r]|(?<=[\u4e00-\u9fff])[\u4e00-\u9fff]")
_ACROSS = re.compile(r"[\s\u4e00-\u9fff]")
"""What an added token may not hold, so that none can lie on both sides of a cut."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DocumentTokens:
    """The tokens of one document."""

    text: str
    ids: Int32Array
    """Of all of the text, without special tokens."""
    encoding: Encoding | None
    """Tells the offsets; None = nothing does yet."""


def encoded(text: str, encoding: Encoding) -> DocumentTokens:
    """The tokens of a text that `tokenizers` has encoded."""
    return DocumentTokens(text=text, ids=as_ids(encoding), encoding=encoding)


def find_cuts(tokenizer: Tokenizer) -> re.Pattern[str] | None:
    """Where a text may be parted in front of, for the pipeline of BERT; None = nowhere.

    The normalizer changes each character alone and keeps these spaces, words end at them, and around each
    ideograph it puts some. Only an added token could lie on both sides: if it has such characters itself,
    takes the spaces behind it along, or is looked for in what the normalizer made.
    """
    added = tokenizer.get_added_tokens_decoder().values()
    if any(token.normalized or token.rstrip or _ACROSS.search(token.content) for token in added):
        return None
    return _SPACE_OR_IDEOGRAPH if tokenizer.normalizer.handle_chinese_chars else _SPACE


def spans_of(document: DocumentTokens, windows: Sequence[Span]) -> list[Span]:
    """Characters of windows of the tokens.

    What stands before the first token of the document and after its last one belongs to them.

    Raises:
        ValueError: The document has more than one window, or not all of it, and nothing tells its offsets.
    """

    def chars(token: int) -> Span:
        if document.encoding is None:
            raise ValueError("nothing tells where the tokens stand")
        return _chars(document.encoding, token)

    return _spans(document, windows, chars)


def spans_by_pieces(
    document: DocumentTokens,
    windows: Sequence[Span],
    cuts: re.Pattern[str],
    make_ids: MakeIds,
    encode: Encode,
) -> list[Span] | None:
    """The same without an encoding of all of the text; None where the pieces do not make up the whole."""
    bounds = _bounds(document.text, cuts)
    pieces = [document.text[start:end] for start, end in itertools.pairwise(bounds)]
    ids = make_ids(pieces)
    if ids is None or not np.array_equal(np.concatenate(ids), document.ids):
        return None
    first_tokens = np.concatenate([[0], np.cumsum([len(its) for its in ids])])

    def piece_of(token: int) -> int:
        # Of pieces without tokens, the last that begins with this one is the one that has it.
        return int(np.searchsorted(first_tokens, token, side="right")) - 1

    tokens = len(document.ids)
    edges = {start for start, _ in windows if start} | {stop - 1 for _, stop in windows if stop < tokens}
    wanted = sorted({piece_of(token) for token in edges})
    encodings = dict(zip(wanted, encode([pieces[number] for number in wanted]), strict=True))
    if any(encoding.ids != ids[number].tolist() for number, encoding in encodings.items()):
        return None

    def chars(token: int) -> Span:
        number = piece_of(token)
        start, end = _chars(encodings[number], token - int(first_tokens[number]))
        return bounds[number] + start, bounds[number] + end

    return _spans(document, windows, chars)


def _bounds(text: str, cuts: re.Pattern[str]) -> list[int]:
    bounds = [0]
    while (found := cuts.search(text, bounds[-1] + _PIECE_CHARACTERS)) is not None:
        bounds.append(found.start())
    return [*bounds, len(text)]


def _spans(document: DocumentTokens, windows: Sequence[Span], chars: Callable[[int], Span]) -> list[Span]:
    spans = []
    for start, stop in windows:
        start_char = chars(start)[0] if start else 0
        end_char = chars(stop - 1)[1] if stop < len(document.ids) else len(document.text)
        spans.append((start_char, max(start_char, end_char)))
    return spans


def _chars(encoding: Encoding, token: int) -> Span:
    # Each token of a text without special tokens around it has some.
    return cast("Span", encoding.token_to_chars(token))
