"""Pairs are the tokenizer's own, cut where the caller wants them cut."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.tiny_tokenizers import TOKENIZERS
from tokenizers import Tokenizer

from rerankd.artifacts.files import ModelFiles
from rerankd.backends.base import EncodeOptions
from rerankd.backends.onnx.model_config import read_model_config
from rerankd.backends.onnx.tokenization import (
    MIN_DOCUMENT_TOKENS,
    PairTokenizer,
    load_tokenizer,
    pad_token_id,
    windows_of,
)
from rerankd.core.errors import DocumentTooLongError, InvalidRequestError, ModelFailedError
from rerankd.core.types import LongDocument

MAX_TOKENS = 48
FAMILIES = sorted(TOKENIZERS)
TEMPLATES = [family for family in FAMILIES if family != "document-first"]

texts = st.one_of(
    st.text(max_size=120),
    st.lists(
        st.sampled_from(
            ["the", "plant", "Über", "[SEP]", "</s>", "\u200b", "\x00", "😀", "日本", "x" * 120, "\n"]
        ),
        max_size=60,
    ).map(" ".join),
)
short_queries = st.text(max_size=12)


def tokenizer_for(family: str, max_tokens: int = MAX_TOKENS) -> PairTokenizer:
    return PairTokenizer(TOKENIZERS[family](), max_tokens)


def encoded(tokenizer: PairTokenizer, query: str, text: str, options: EncodeOptions) -> list:
    (pairs,) = tokenizer.encode_documents(tokenizer.encode_query(query), [text], options)
    return pairs


def row(pair) -> tuple[list[int], list[int]]:
    ids, types = np.zeros(pair.tokens, dtype=np.int64), np.zeros(pair.tokens, dtype=np.int64)
    pair.fill(ids, types)
    return ids.tolist(), types.tolist()


def own_row(
    tokenizer: Tokenizer, query: str, text: str, direction: str | None
) -> tuple[list[int], list[int]]:
    """What the library itself makes of the pair, truncating only the document."""
    if direction is not None:
        tokenizer.enable_truncation(MAX_TOKENS, strategy="only_second", direction=direction)
    encoding = tokenizer.encode(query, text)
    return encoding.ids, encoding.type_ids


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return request.param


def test_templates_are_found(family: str) -> None:
    assert tokenizer_for(family).joins_by_template is (family in TEMPLATES)


@settings(max_examples=150, deadline=None)
@given(query=short_queries, text=texts)
@pytest.mark.parametrize(
    ("mode", "direction"), [(LongDocument.TRUNCATE_END, "right"), (LongDocument.TRUNCATE_START, "left")]
)
@pytest.mark.parametrize("name", FAMILIES)
def test_pairs_are_the_tokenizers_own(
    name: str, mode: LongDocument, direction: str, query: str, text: str
) -> None:
    tokenizer = tokenizer_for(name)
    if (
        tokenizer.encode_query("").tokens + len(TOKENIZERS[name]().encode(query).ids)
        > tokenizer.longest_query
    ):
        return
    (pair,) = encoded(tokenizer, query, text, EncodeOptions(long_document=mode))
    assert row(pair) == own_row(TOKENIZERS[name](), query, text, direction)


@settings(max_examples=100, deadline=None)
@given(text=texts, limit=st.integers(min_value=1, max_value=40))
@pytest.mark.parametrize("name", FAMILIES)
def test_kept_and_dropped_tokens_add_up(name: str, text: str, limit: int) -> None:
    tokenizer = tokenizer_for(name)
    whole = len(TOKENIZERS[name]().encode(text, add_special_tokens=False).ids)
    options = EncodeOptions(max_tokens_per_document=limit)
    (pair,) = encoded(tokenizer, "a", text, options)
    query = tokenizer.encode_query("a").tokens
    assert pair.tokens - tokenizer.special_tokens - query + pair.dropped_tokens == whole
    assert pair.tokens - tokenizer.special_tokens - query <= limit
    assert 0 <= pair.start_char <= pair.end_char <= len(text)
    assert pair.dropped_tokens or pair.end_char == len(text)


@settings(max_examples=100, deadline=None)
@given(text=texts)
@pytest.mark.parametrize("name", FAMILIES)
def test_windows_of_any_text_cover_it(name: str, text: str) -> None:
    tokenizer = tokenizer_for(name)
    options = EncodeOptions(long_document=LongDocument.BEST_PASSAGE, max_tokens_per_document=8)
    pairs = encoded(tokenizer, "a", text, options)
    assert pairs[0].start_char == 0
    assert pairs[-1].end_char == len(text)
    for pair, following in itertools.pairwise(pairs):
        assert pair.start_char <= following.start_char <= pair.end_char
        assert pair.dropped_tokens == 0


@given(tokens=st.integers(min_value=0, max_value=3000), room=st.integers(min_value=1, max_value=500))
def test_windows_cover_every_token(tokens: int, room: int) -> None:
    windows = windows_of(tokens, room, LongDocument.BEST_PASSAGE)
    assert windows[0][0] == 0
    assert windows[-1][1] == tokens
    for start, stop in windows:
        assert stop - start == min(tokens, room)
    for (start, stop), (following, _) in itertools.pairwise(windows):
        assert start < following
        assert stop - following >= room // 4


def test_windows_hold_the_text_that_their_span_says() -> None:
    words = [f"{number:03d}" for number in range(40)]
    text = " ".join(words)
    tokenizer = PairTokenizer(TOKENIZERS["bert"](), 40)
    pairs = encoded(tokenizer, "a", text, EncodeOptions(long_document=LongDocument.BEST_PASSAGE))
    library = TOKENIZERS["bert"]()
    for pair in pairs:
        part = text[pair.start_char : pair.end_char]
        if part[0] != " ":
            assert row(pair)[0][-2] == library.encode(part).ids[-2]


def test_the_query_is_protected() -> None:
    tokenizer = tokenizer_for("bert")
    limit = MAX_TOKENS - 3 - MIN_DOCUMENT_TOKENS
    tokenizer.encode_query(" ".join("x" * limit))
    with pytest.raises(InvalidRequestError) as caught:
        tokenizer.encode_query(" ".join("x" * (limit + 1)))
    assert caught.value.field == "query"
    assert caught.value.metadata == {"query_tokens": str(limit + 1), "limit": str(limit)}
    assert str(limit) in caught.value.message


def test_reject_names_the_first_document_that_does_not_fit() -> None:
    tokenizer = tokenizer_for("bert")
    query = tokenizer.encode_query("a")
    options = EncodeOptions(long_document=LongDocument.REJECT, max_tokens_per_document=3)
    assert len(tokenizer.encode_documents(query, ["a b c", ""], options)) == 2
    with pytest.raises(DocumentTooLongError) as caught:
        tokenizer.encode_documents(query, ["a b c", "a b c d", "a b c d e"], options)
    assert caught.value.field == "documents[1]"
    assert caught.value.metadata == {"index": "1", "tokens": "4", "limit": "3"}


def test_pairs_share_the_query() -> None:
    tokenizer = tokenizer_for("bert")
    query = tokenizer.encode_query("what is a plant")
    pairs = tokenizer.encode_documents(query, ["a", "b"], EncodeOptions())
    assert all(pair.query is query for (pair,) in pairs)


def test_many_texts_are_encoded_in_parts() -> None:
    tokenizer = tokenizer_for("bert")
    many = [f"{number} plants" for number in range(600)] + ["x " * 300_000, "last"]
    pairs = tokenizer.encode_documents(tokenizer.encode_query("a"), many, EncodeOptions())
    library = TOKENIZERS["bert"]()
    assert len(pairs) == len(many)
    assert row(pairs[599][0]) == own_row(library, "a", many[599], None)
    assert pairs[600][0].dropped_tokens == 300_000 - (MAX_TOKENS - 4)
    assert row(pairs[601][0]) == own_row(library, "a", "last", None)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize(
    "text",
    [
        "",
        "\x00",
        "\x00" * 5000,
        "x" * 100_000,
        "😀" * 20_000,
        "\ud800 half a pair",
        "日" * 50_000,
        "\t\n\r " * 1000,
    ],
    ids=["empty", "nul", "nuls", "no-space", "emoji", "surrogate", "cjk", "blank"],
)
def test_no_text_is_too_strange(name: str, text: str) -> None:
    (pair,) = encoded(tokenizer_for(name), "a", text, EncodeOptions())
    assert tokenizer_for(name).special_tokens < pair.tokens <= MAX_TOKENS
    assert 0 <= pair.start_char <= pair.end_char <= len(text)


def test_a_limit_without_room_is_refused() -> None:
    with pytest.raises(ModelFailedError, match="max_tokens is 19"):
        tokenizer_for("bert", max_tokens=19)
    assert tokenizer_for("bert", max_tokens=20).longest_query == 1


def test_padding_and_truncation_of_the_author_are_switched_off(tmp_path: Path) -> None:
    library = TOKENIZERS["bert"]()
    library.enable_padding(length=128)
    library.enable_truncation(8)
    library.save(str(tmp_path / "tokenizer.json"))
    tokenizer = PairTokenizer(load_tokenizer(tmp_path / "tokenizer.json"), MAX_TOKENS)
    (pair,) = encoded(tokenizer, "a", "a b c d e f g h i j", EncodeOptions())
    assert pair.tokens == 3 + 1 + 10
    assert pair.dropped_tokens == 0


@pytest.mark.parametrize("content", ["", "{}", "[1, 2]", '{"version": "9"}', "\xff"])
def test_a_broken_tokenizer_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(ModelFailedError, match=r"tokenizer\.json is not valid"):
        load_tokenizer(path)


def test_a_missing_tokenizer_is_refused_without_its_path(tmp_path: Path) -> None:
    with pytest.raises(ModelFailedError, match="cannot be read") as caught:
        load_tokenizer(tmp_path / "tokenizer.json")
    assert str(tmp_path) not in caught.value.message


@pytest.mark.parametrize(
    ("config", "tokenizer_config", "expected"),
    [
        ({"pad_token_id": 4}, {}, 4),
        ({}, {"pad_token": "[MASK]"}, 4),
        ({}, {"pad_token": {"content": "[UNK]", "lstrip": False}}, 1),
        ({"pad_token_id": 10**9}, {}, 0),
        ({"pad_token_id": None}, {}, 0),
    ],
)
def test_the_padding_token_is_found(config: dict, tokenizer_config: dict, expected: int) -> None:
    files = ModelFiles(
        id="a", revision="b", graph=Path(), tokenizer=Path(), config=config, tokenizer_config=tokenizer_config
    )
    assert pad_token_id(TOKENIZERS["bert"](), read_model_config(files)) == expected


def test_a_model_without_a_padding_token_is_refused() -> None:
    from tokenizers import models

    library = Tokenizer(models.WordPiece({"a": 0}, unk_token="a"))
    files = ModelFiles(id="a", revision="b", graph=Path(), tokenizer=Path())
    with pytest.raises(ModelFailedError, match="pad_token"):
        pad_token_id(library, read_model_config(files))
