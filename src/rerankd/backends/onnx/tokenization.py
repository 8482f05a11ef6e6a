"""From texts to pairs: the query once, documents in batches, long documents as the caller wants them."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from rerankd.backends.base import EncodedPair, EncodeOptions
from rerankd.backends.onnx.document_tokens import (
    DocumentTokens,
    Span,
    encoded,
    find_cuts,
    spans_by_pieces,
    spans_of,
)
from rerankd.backends.onnx.failures import short_cause
from rerankd.backends.onnx.model_config import ModelConfig
from rerankd.backends.onnx.pairs import Int32Array, TokenizedQuery, WholePair
from rerankd.backends.onnx.settings import TokenizerLibrary
from rerankd.backends.onnx.template import find_template, whole_pair
from rerankd.backends.onnx.token_cache import TokenCache
from rerankd.backends.onnx.wordpiece import open_engine
from rerankd.core.errors import DocumentTooLongError, InvalidRequestError, ModelFailedError
from rerankd.core.types import LongDocument

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

MIN_DOCUMENT_TOKENS = 16
"""A query that leaves a document less than this is refused: the scores would be about the query."""

_USUAL_PAD_TOKENS = ("[PAD]", "<pad>", "<|pad|>")

_BATCH_CHARACTERS = 1 << 19
_BATCH_DOCUMENTS = 256
"""Bounds of one call of the tokenizer. Its own representation of a text takes some hundred bytes a
token, so a large request is encoded in parts, of which only the ids stay."""


class PairTokenizer:
    """A model's tokenizer, bounded by what the model reads. Safe to use from several threads."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        max_tokens: int,
        token_cache: TokenCache | None = None,
        library: TokenizerLibrary = TokenizerLibrary.TOKENIZERS,
    ) -> None:
        """Probes how the tokenizer joins pairs.

        `token_cache`: where ids of documents are kept; None = nowhere. A tokenizer that joins each pair
        itself does without. `library`: what makes the ids of documents.

        Raises:
            ModelFailedError: The limit leaves no room for a query and a document, the tokenizer fails, or the
                library was asked for by name and cannot be.
        """
        self._tokenizer = tokenizer
        try:
            self._template = find_template(tokenizer)
        except Exception as error:  # The library raises bare Exception.
            raise ModelFailedError(f"tokenizer.json cannot be used: {short_cause(error)}") from error
        self._token_cache = token_cache if self._template is not None else None
        self._engine = open_engine(tokenizer, library, joins_by_template=self._template is not None)
        self._cuts = find_cuts(tokenizer) if self._engine is not None else None
        self.max_tokens = max_tokens
        self.special_tokens = (
            self._template.special_tokens
            if self._template is not None
            else int(tokenizer.num_special_tokens_to_add(True))
        )
        self.longest_query = max_tokens - self.special_tokens - MIN_DOCUMENT_TOKENS
        if self.longest_query < 1:
            raise ModelFailedError(
                f"max_tokens is {max_tokens}; a pair needs {self.special_tokens} special tokens, "
                f"{MIN_DOCUMENT_TOKENS} for the document and at least 1 for the query"
            )

    @property
    def joins_by_template(self) -> bool:
        """Whether pairs are put together from parts; if not, the tokenizer joins each one itself."""
        return self._template is not None

    @property
    def library(self) -> str:
        """What makes the ids of documents."""
        return "tokenizers" if self._engine is None else "nanotoken"

    @property
    def vocabulary_size(self) -> int:
        """Number of token ids, added tokens included."""
        return int(self._tokenizer.get_vocab_size(with_added_tokens=True))

    def encode_query(self, query: str) -> TokenizedQuery:
        """Tokenizes the query.

        Raises:
            InvalidRequestError: The query leaves a document fewer than 16 tokens.
        """
        (encoding,) = self._encode([query])
        tokens = len(encoding.ids)
        if tokens > self.longest_query:
            raise InvalidRequestError(
                f"query has {tokens} tokens; at most {self.longest_query} leave room for a document, "
                f"since the model reads {self.max_tokens} tokens a pair",
                field="query",
                metadata={"query_tokens": str(tokens), "limit": str(self.longest_query)},
            )
        if self._template is not None:
            return self._template.query(encoding)
        empty = np.zeros(0, dtype=np.int32)
        return TokenizedQuery(tokens=tokens, head_ids=empty, head_types=empty, encoding=encoding)

    def encode_documents(
        self, query: TokenizedQuery, texts: Sequence[str], options: EncodeOptions
    ) -> list[list[EncodedPair]]:
        """Pairs of each text: one, or the windows of a long one.

        With `BEST_PASSAGE`, `max_tokens_per_document` is the length of a window.

        Raises:
            DocumentTooLongError: With `REJECT`, for the first text that does not fit.
        """
        room = self.max_tokens - self.special_tokens - query.tokens
        if options.max_tokens_per_document > 0:
            room = min(room, options.max_tokens_per_document)
        known = [self._known(query, text, room) for text in texts]
        unknown = (text for text, pair in zip(texts, known, strict=True) if pair is None)
        tokenized = self._tokenize_in_parts(unknown)
        pairs: list[list[EncodedPair]] = []
        for pair in known:
            if pair is not None:
                pairs.append([pair])
                continue
            document = next(tokenized)
            tokens = len(document.ids)
            if tokens > room and options.long_document is LongDocument.REJECT:
                raise _too_long(len(pairs), tokens, room)
            pairs.append(self._pairs(query, document, room, options.long_document))
        return pairs

    def _known(self, query: TokenizedQuery, text: str, room: int) -> EncodedPair | None:
        """The pair of a document whose ids are kept and fit; the others need offsets, which are not kept."""
        ids = self._token_cache.find(text) if self._token_cache is not None else None
        if ids is None or len(ids) > room or self._template is None:
            return None
        return self._template.pair(query, ids, dropped=0, span=(0, len(text)))

    def _pairs(
        self, query: TokenizedQuery, document: DocumentTokens, room: int, long_document: LongDocument
    ) -> list[EncodedPair]:
        windows = windows_of(len(document.ids), room, long_document)
        if len(document.ids) > room and document.encoding is None:
            spans = self._spans_by_pieces(document, windows)
            if spans is None:
                (encoding,) = self._encode([document.text])
                return self._pairs(query, encoded(document.text, encoding), room, long_document)
        else:
            spans = spans_of(document, windows)
        tokens = len(document.ids)
        dropped = windows[0][0] + tokens - windows[-1][1]
        fits = len(windows) == 1 and not dropped
        if fits and self._token_cache is not None:
            self._token_cache.keep(document.text, document.ids)
        pairs: list[EncodedPair] = []
        for (start, stop), span in zip(windows, spans, strict=True):
            if self._template is None:
                pairs.append(self._joined(query, document, (start, stop), dropped=dropped, span=span))
            else:
                # A copy, so that a truncated document does not keep the ids of all of it alive.
                part = document.ids if fits else document.ids[start:stop].copy()
                pairs.append(self._template.pair(query, part, dropped=dropped, span=span))
        return pairs

    def _spans_by_pieces(self, document: DocumentTokens, windows: Sequence[Span]) -> list[Span] | None:
        if self._cuts is None:
            return None
        return spans_by_pieces(document, windows, self._cuts, self._ids, self._encode)

    def _joined(
        self,
        query: TokenizedQuery,
        document: DocumentTokens,
        window: tuple[int, int],
        *,
        dropped: int,
        span: tuple[int, int],
    ) -> WholePair:
        start, stop = window
        part = copy.deepcopy(cast("Encoding", document.encoding))
        part.truncate(len(part) - start, direction="left")
        part.truncate(stop - start, direction="right")
        query_encoding = cast("Encoding", query.encoding)
        return whole_pair(self._tokenizer, query_encoding, part, dropped=dropped, span=span)

    def _tokenize_in_parts(self, texts: Iterable[str]) -> Iterator[DocumentTokens]:
        part: list[str] = []
        characters = 0
        for text in texts:
            if part and (characters + len(text) > _BATCH_CHARACTERS or len(part) == _BATCH_DOCUMENTS):
                yield from self._tokenize(part)
                part, characters = [], 0
            part.append(text)
            characters += len(text)
        if part:
            yield from self._tokenize(part)

    def _tokenize(self, texts: list[str]) -> Iterator[DocumentTokens]:
        ids = self._ids(texts)
        if ids is None:
            # One after the other: the ids of all of them would be as large as the texts.
            yield from map(encoded, texts, self._encode(texts))
            return
        for text, its in zip(texts, ids, strict=True):
            yield DocumentTokens(text=text, ids=its, encoding=None)

    def _ids(self, texts: list[str]) -> list[Int32Array] | None:
        if self._engine is None:
            return None
        try:
            return self._engine.ids(texts)
        except UnicodeEncodeError:
            return self._engine.ids(_without_surrogates(texts))

    def _encode(self, texts: list[str]) -> list[Encoding]:
        try:
            return list(self._tokenizer.encode_batch(texts, add_special_tokens=False))
        except TypeError:
            return list(self._tokenizer.encode_batch(_without_surrogates(texts), add_special_tokens=False))


def _without_surrogates(texts: list[str]) -> list[str]:
    """A lone surrogate, as JSON can spell one, is no UTF-8; one "?" keeps the offsets true."""
    return [text.encode("utf-8", "replace").decode() for text in texts]


def load_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer, with the padding and the truncation that its author left switched on removed.

    Raises:
        ModelFailedError: `tokenizer.json` is missing, or is not one that the library reads.
    """
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_buffer(path.read_bytes())
    except OSError as error:
        raise ModelFailedError("tokenizer.json cannot be read") from error
    except Exception as error:  # The library raises bare Exception.
        raise ModelFailedError(f"tokenizer.json is not valid: {short_cause(error)}") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def windows_of(tokens: int, room: int, long_document: LongDocument) -> list[tuple[int, int]]:
    """Ranges of a document's tokens that become pairs, end exclusive.

    Windows overlap by a quarter of their length, so that a sentence cut by one is whole in the
    next; the last one ends with the document and is as long as the others.
    """
    if tokens <= room:
        return [(0, tokens)]
    if long_document is LongDocument.TRUNCATE_START:
        return [(tokens - room, tokens)]
    if long_document is not LongDocument.BEST_PASSAGE:
        return [(0, room)]
    stride = room - room // 4
    starts = [*range(0, tokens - room, stride), tokens - room]
    return [(start, start + room) for start in starts]


def _too_long(index: int, tokens: int, limit: int) -> DocumentTooLongError:
    return DocumentTooLongError(
        f"documents[{index}] has {tokens} tokens; {limit} fit beside the query",
        field=f"documents[{index}]",
        metadata={"index": str(index), "tokens": str(tokens), "limit": str(limit)},
    )


def pad_token_id(tokenizer: Tokenizer, config: ModelConfig) -> int:
    """The id that fills short rows.

    `config.json` goes first, because graphs that number positions by themselves compare with it.

    Raises:
        ModelFailedError: No file tells it.
    """
    vocabulary = tokenizer.get_vocab_size(with_added_tokens=True)
    if config.pad_token_id is not None and config.pad_token_id < vocabulary:
        return config.pad_token_id
    for name in (config.pad_token, *_USUAL_PAD_TOKENS):
        token_id = tokenizer.token_to_id(name) if name is not None else None
        if token_id is not None:
            return int(token_id)
    raise ModelFailedError(
        "no file names the padding token: config.json needs pad_token_id, or tokenizer_config.json pad_token"
    )
