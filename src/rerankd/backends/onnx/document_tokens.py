"""A document's token ids, and where in the text its tokens stand.

Offsets come from `tokenizers` alone, and cost a hundred times what ids do by another library. A document that
is cut needs them for one token only, so a piece of its text is enough, if it is cut off where tokens of the
one side do not depend on the other.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from rerankd.backends.onnx.pairs import Int32Array
from rerankd.backends.onnx.template import as_ids

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

Encode = Callable[[str], "Encoding"]

_SPACE = re.compile(r"[ \t\n\r]")
_SPACE_OR_IDEOGRAPH = re.compile(r"[ \t\n\r]|(?<=[\u4e00-\u9fff])[\u4e00-\u9fff]")
_ACROSS = re.compile(r"[\s\u4e00-\u9fff]")
"""What an added token may not hold, so that none can lie on both sides of a cut."""

_SLACK_CHARACTERS = 64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DocumentTokens:
    """The tokens of one document."""

    text: str
    ids: Int32Array
    """Of all of the text, without special tokens."""
    encoding: Encoding | None
    """Of a piece of the text that tells the offsets; None = nothing tells them yet."""
    first_token: int = 0
    """Number of the piece's first token in the document."""
    first_char: int = 0
    """Where in the text the piece begins."""

    def span(self, start: int, stop: int) -> tuple[int, int]:
        """Characters of a range of tokens, end exclusive.

        What stands before the first token of the document and after its last one belongs to them.
        """
        start_char = self._chars(start)[0] if start else 0
        end_char = self._chars(stop - 1)[1] if stop < len(self.ids) else len(self.text)
        return start_char, max(start_char, end_char)

    def _chars(self, token: int) -> tuple[int, int]:
        if self.encoding is None:
            raise ValueError("nothing tells where the tokens stand")
        # Each token of a text without special tokens around it has some.
        start, end = cast("tuple[int, int]", self.encoding.token_to_chars(token - self.first_token))
        return self.first_char + start, self.first_char + end


def whole(text: str, encoding: Encoding) -> DocumentTokens:
    """The tokens of a text that `tokenizers` has encoded."""
    return DocumentTokens(text=text, ids=as_ids(encoding), encoding=encoding)


def find_cuts(tokenizer: Tokenizer) -> re.Pattern[str] | None:
    """Where a text may be cut in front of, for the pipeline of BERT; None = nowhere.

    The normalizer changes each character alone and keeps these spaces, words end at them, and around each
    ideograph it puts some. Only an added token could lie on both sides, if it has such characters itself or
    is looked for in what the normalizer made.
    """
    added = tokenizer.get_added_tokens_decoder().values()
    if any(token.normalized or _ACROSS.search(token.content) for token in added):
        return None
    return _SPACE_OR_IDEOGRAPH if tokenizer.normalizer.handle_chinese_chars else _SPACE


def located(
    text: str, ids: Int32Array, window: tuple[int, int], cuts: re.Pattern[str], encode: Encode
) -> DocumentTokens | None:
    """The document with offsets of the window, which begins or ends with it; None = too little is spared.

    The piece has more tokens than the window. So the token that is asked for is not next to the cut, where
    spaces that belong to an added token could be on the other side.
    """
    start, stop = window
    kept = stop - start
    # As many characters as its tokens take on an average, and a quarter more.
    characters = len(text) * kept // len(ids) * 5 // 4 + _SLACK_CHARACTERS
    while 2 * characters < len(text):
        found = cuts.search(text, len(text) - characters if start else characters)
        if found is None and not start:
            return None
        at = found.start() if found is not None else len(text)
        encoding = encode(text[at:] if start else text[:at])
        if len(encoding) > kept:
            first_token = len(ids) - len(encoding) if start else 0
            here = ids[max(0, first_token) : first_token + len(encoding)]
            if not np.array_equal(here, as_ids(encoding)):
                return None
            first_char = at if start else 0
            return DocumentTokens(
                text=text, ids=ids, encoding=encoding, first_token=first_token, first_char=first_char
            )
        characters *= 2
    return None
