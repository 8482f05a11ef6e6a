"""Pairs are the same whether their tokens were kept or not, and what is kept is bounded."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.tiny_tokenizers import TOKENIZERS

from rerankd.backends.base import EncodeOptions
from rerankd.backends.onnx.token_cache import ENTRY_BYTES, TokenCache
from rerankd.backends.onnx.tokenization import PairTokenizer
from rerankd.core.errors import DocumentTooLongError
from rerankd.core.types import LongDocument

MAX_TOKENS = 48

words = st.sampled_from(["plant", "[SEP]", "\ud800", "😀", "x" * 90, "the"])
texts = st.lists(
    st.one_of(st.text(max_size=60), st.lists(words, max_size=50).map(" ".join)), min_size=1, max_size=6
)


def rows(tokenizer: PairTokenizer, query: str, documents: list[str], options: EncodeOptions) -> list[object]:
    found: list[object] = []
    try:
        windows = tokenizer.encode_documents(tokenizer.encode_query(query), documents, options)
    except DocumentTooLongError as error:
        return [error.message]
    for pair in (pair for each in windows for pair in each):
        ids, types = np.zeros(pair.tokens, dtype=np.int64), np.zeros(pair.tokens, dtype=np.int64)
        pair.fill(ids, types)  # type: ignore[attr-defined]
        found.append((ids.tolist(), types.tolist(), pair.dropped_tokens, pair.start_char, pair.end_char))
    return found


@pytest.mark.parametrize("family", sorted(TOKENIZERS))
def test_a_hit_is_what_a_miss_is(family: str) -> None:
    plain = PairTokenizer(TOKENIZERS[family](), MAX_TOKENS)

    @settings(max_examples=60, deadline=None)
    @given(documents=texts, long=st.sampled_from(LongDocument), most=st.sampled_from([0, 5, 20]))
    def hold(documents: list[str], long: LongDocument, most: int) -> None:
        keeping = PairTokenizer(TOKENIZERS[family](), MAX_TOKENS, TokenCache(1 << 16))
        options = EncodeOptions(long_document=long, max_tokens_per_document=most)
        # Twice the same query, and one that leaves less room.
        for query in ("a", "a", "the plant, the plant"):
            assert rows(keeping, query, documents, options) == rows(plain, query, documents, options)

    hold()


def test_what_comes_again_is_not_tokenized_again() -> None:
    cache = TokenCache(1 << 16)
    tokenizer = PairTokenizer(TOKENIZERS["bert"](), MAX_TOKENS, cache)
    documents = ["the plant", "x " * 100, "the plant"]
    first = tokenizer.encode_documents(tokenizer.encode_query("a"), documents, EncodeOptions())
    # The long one does not fit and is not kept.
    assert len(cache) == 1
    again = tokenizer.encode_documents(tokenizer.encode_query("plant"), documents, EncodeOptions())
    assert again[0][0].document_ids is again[2][0].document_ids  # type: ignore[attr-defined]
    assert first[0][0].document_ids is again[0][0].document_ids  # type: ignore[attr-defined]


@given(
    bound=st.integers(0, 4000),
    kept=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 100)), max_size=60),
)
def test_the_bound_holds_and_the_least_recent_go_first(bound: int, kept: list[tuple[int, int]]) -> None:
    cache = TokenCache(bound)
    size = {}
    order: list[int] = []
    for number, length in kept:
        text = str(number)
        if number in size and cache.find(text) is not None:
            order.remove(number)
            order.append(number)
            continue
        cache.keep(text, np.zeros(length, dtype=np.int32))
        if ENTRY_BYTES + 4 * length <= bound:
            size[number] = ENTRY_BYTES + 4 * length
            order.append(number)
        while sum(size[one] for one in order) > bound:
            order.pop(0)
        size = {one: size[one] for one in order}
        assert cache.size_bytes == sum(size.values()) <= bound
    assert len(cache) == len(order)
    assert all(cache.find(str(number)) is not None for number in order)


def test_threads_may_share_it() -> None:
    cache = TokenCache(20 * ENTRY_BYTES)

    def work(start: int) -> None:
        for number in range(start, start + 500):
            cache.keep(str(number % 70), np.zeros(3, dtype=np.int32))
            cache.find(str((number * 7) % 70))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(4)))
    assert 0 < cache.size_bytes <= 20 * ENTRY_BYTES
    assert cache.size_bytes == len(cache) * (ENTRY_BYTES + 12)
