"""Ids by nanotoken are those of tokenizers, and so is all that is made of them, for any text and any cut."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.onnx_models import build_model, model_files
from support.tiny_tokenizers import TOKENIZERS
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

import rerankd.artifacts
from rerankd.assembly import onnx_settings
from rerankd.backends.base import EncodeOptions
from rerankd.backends.onnx import OnnxSettings, TokenizerLibrary, load
from rerankd.backends.onnx.document_tokens import (
    DocumentTokens,
    encoded,
    find_cuts,
    spans_by_pieces,
    spans_of,
)
from rerankd.backends.onnx.template import as_ids
from rerankd.backends.onnx.token_cache import TokenCache
from rerankd.backends.onnx.tokenization import PairTokenizer, load_tokenizer, windows_of
from rerankd.backends.onnx.wordpiece import CACHE_ENTRIES, WordPieceEngine, open_engine
from rerankd.config import load as load_config
from rerankd.core.errors import DocumentTooLongError, ModelFailedError
from rerankd.core.types import LongDocument

nanotoken = pytest.importorskip("nanotoken", reason="the extra `wordpiece` is not installed")

BUNDLED = Path(rerankd.artifacts.__file__).parent / "bundled" / "mini-en" / "tokenizer.json"
MAX_TOKENS = 32
CUTTING = [mode for mode in LongDocument if mode is not LongDocument.REJECT]


def bundled() -> Tokenizer:
    return load_tokenizer(BUNDLED)


def cased() -> Tokenizer:
    tokenizer = bundled()
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    return tokenizer


def ideographs_in_words() -> Tokenizer:
    tokenizer = bundled()
    tokenizer.normalizer = normalizers.BertNormalizer(clean_text=False, handle_chinese_chars=False)
    return tokenizer


def stripping() -> Tokenizer:
    """Added tokens that take spaces in front of them along, and none that could lie across a cut."""
    tokenizer = bundled()
    tokenizer.add_tokens(
        [
            AddedToken("<l>", lstrip=True, normalized=False),
            AddedToken("one", single_word=True, normalized=False),
        ]
    )
    return tokenizer


def taking() -> Tokenizer:
    """One that takes those behind it along too."""
    tokenizer = stripping()
    tokenizer.add_tokens([AddedToken("<r>", rstrip=True, normalized=False)])
    return tokenizer


def spaced() -> Tokenizer:
    """Those that have a space themselves, or what has some around it."""
    tokenizer = stripping()
    tokenizer.add_tokens([AddedToken("foo bar", normalized=False), AddedToken("a  b"), AddedToken("中")])
    return tokenizer


def normalized() -> Tokenizer:
    """Those that are looked for in what the normalizer makes."""
    tokenizer = stripping()
    tokenizer.add_tokens([AddedToken("\uf900"), AddedToken("Été", single_word=True)])
    return tokenizer


FAMILIES: dict[str, Callable[[], Tokenizer]] = {
    "bundled": bundled,
    "cased": cased,
    "ideographs-in-words": ideographs_in_words,
    "stripping": stripping,
    "taking": taking,
    "spaced": spaced,
    "normalized": normalized,
    "tiny": TOKENIZERS["bert"],
}

_PIECES = (
    *("the", "plant", "Über", "isn't", "1,450.5", "...", "!?", "##ing", "x" * 100, "x" * 101, "é" * 60),
    *("[SEP]", "[CLS]", "[MASK]", "[PAD]", "[UNK]", "[SE", "P]", "[mask]"),
    *("<l>", "<r>", "one", "foo", "bar", "foo bar", "a  b", "Été", "a", "b"),
    *(" ", "  ", "\n", "\t", "\r\n", "\x00", "\x0b", "\x0c", "\x85", "\u00a0", "\u2028", "\u3000"),
    *("\u200b", "\u200d", "\ufeff", "\ufffd", "\u0301", "e\u0301", "\u0345", "\u017f", "İ", "ẞ", "ﬁ", "Σς"),
    *(
        "中",
        "中文",
        "日本語",
        "\uf900",
        "한국",
        "\u1112\u1161\u11ab",
        "😀",
        "\U0001f468\u200d\U0001f469",
        "\ud800",
    ),
)
pieces = st.sampled_from(_PIECES) | st.text(alphabet=st.characters(codec=None), max_size=8)
# What takes spaces along, and little else, so that cuts fall beside it.
beside_spaces = st.sampled_from(
    ["<l>", "<r>", "one", "foo bar", "a", " ", "  ", "   ", "\n", "中", "x" * 101]
)
texts = st.one_of(
    st.lists(beside_spaces, min_size=20, max_size=60).map(lambda parts: "".join(parts * 6)),
    st.text(alphabet=st.characters(codec=None), max_size=200),
    st.tuples(st.sampled_from(["", " ", "\n"]), st.lists(pieces, max_size=60), st.integers(1, 8)).map(
        lambda parts: parts[0].join(parts[1] * parts[2])
    ),
)


@cache
def library_of(name: str) -> Tokenizer:
    return FAMILIES[name]()


@cache
def reader_of(name: str, cache_bytes: int = 0) -> PairTokenizer:
    kept = TokenCache(cache_bytes) if cache_bytes else None
    return PairTokenizer(library_of(name), MAX_TOKENS, kept, TokenizerLibrary.WORDPIECE)


def expected(
    library: Tokenizer, text: str, room: int, mode: LongDocument
) -> list[tuple[list[int], int, int, int]]:
    """Ids of the document, dropped tokens and span of each window, from one encoding of all of the text."""
    encoding = library.encode(text.encode("utf-8", "replace").decode(), add_special_tokens=False)
    ids, offsets, tokens = encoding.ids, encoding.offsets, len(encoding.ids)
    windows = windows_of(tokens, room, mode)
    dropped = windows[0][0] + tokens - windows[-1][1]
    found = []
    for start, stop in windows:
        first = offsets[start][0] if start else 0
        last = offsets[stop - 1][1] if stop < tokens else len(text)
        found.append((ids[start:stop], dropped, first, max(first, last)))
    return found


def document_of(pair) -> tuple[list[int], int, int, int]:
    return pair.document_ids.tolist(), pair.dropped_tokens, pair.start_char, pair.end_char


@pytest.mark.parametrize("mode", CUTTING)
@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_pairs_are_those_of_one_encoding_of_the_whole_text(name: str, mode: LongDocument) -> None:
    library, readers = library_of(name), [reader_of(name), reader_of(name, 1 << 14)]
    query = readers[0].encode_query("a")
    most = MAX_TOKENS - readers[0].special_tokens - query.tokens

    @settings(max_examples=80, deadline=None)
    @given(documents=st.lists(texts, min_size=1, max_size=3), limit=st.integers(1, most))
    def hold(documents: list[str], limit: int) -> None:
        options = EncodeOptions(long_document=mode, max_tokens_per_document=limit)
        wanted = [expected(library, text, limit, mode) for text in documents]
        for reader in readers:
            found = reader.encode_documents(query, documents, options)
            assert [[document_of(pair) for pair in pairs] for pairs in found] == wanted

    hold()


@settings(max_examples=100, deadline=None)
@given(documents=st.lists(texts, min_size=1, max_size=3), limit=st.integers(1, 20))
def test_reject_counts_as_tokenizers_does(documents: list[str], limit: int) -> None:
    reader, library = reader_of("bundled"), library_of("bundled")
    options = EncodeOptions(long_document=LongDocument.REJECT, max_tokens_per_document=limit)
    counts = [len(library.encode(text.encode("utf-8", "replace").decode())) - 2 for text in documents]
    too_long = next((at for at, count in enumerate(counts) if count > limit), None)
    if too_long is None:
        assert len(reader.encode_documents(reader.encode_query("a"), documents, options)) == len(documents)
        return
    with pytest.raises(DocumentTooLongError) as caught:
        reader.encode_documents(reader.encode_query("a"), documents, options)
    assert caught.value.metadata["index"] == str(too_long)
    assert caught.value.metadata["tokens"] == str(counts[too_long])


@pytest.mark.parametrize("mode", CUTTING)
@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("the plant grows, " * 10_000, 0.6),
        # A window is hardly longer than two pieces.
        ("植物从阳光中获取食物。" * 10_000, 1.0),
        (f"{'x' * 3000} " * 3 + "a. " * 30_000 + f"{'x' * 3000} " * 3, 0.9),
    ],
    ids=["words", "ideographs", "uneven"],
)
def test_of_a_long_text_only_pieces_are_encoded(mode: LongDocument, text: str, share: float) -> None:
    library = bundled()
    lengths: list[int] = []

    def encode(pieces: list[str]):
        lengths.extend(map(len, pieces))
        return library.encode_batch(pieces, add_special_tokens=False)

    whole = encoded(text, library.encode(text, add_special_tokens=False))
    windows = windows_of(len(whole.ids), 500, mode)
    engine = open_engine(library, TokenizerLibrary.WORDPIECE, joins_by_template=True)
    cuts = find_cuts(library)
    assert engine is not None
    assert cuts is not None
    document = DocumentTokens(text=text, ids=whole.ids, encoding=None)
    assert spans_by_pieces(document, windows, cuts, engine.ids, encode) == spans_of(whole, windows)
    assert len(lengths) <= 2 * len(windows)
    assert sum(lengths) < len(text) * (share if mode is LongDocument.BEST_PASSAGE else 0.1)


def test_where_the_pieces_are_not_the_whole_there_are_no_spans() -> None:
    library = bundled()
    text = "the plant " * 1000
    cuts = find_cuts(library)
    assert cuts is not None

    def make_ids(pieces: list[str]):
        return [as_ids(encoding) for encoding in encode(pieces)]

    def encode(pieces: list[str]):
        return library.encode_batch(pieces, add_special_tokens=False)

    def encode_more(pieces: list[str]):
        return encode([f"a {piece}" for piece in pieces])

    (ids,) = make_ids([text])
    document = DocumentTokens(text=text, ids=ids, encoding=None)
    other = DocumentTokens(text=text, ids=ids + 1, encoding=None)
    windows = [(0, 100)]
    assert spans_by_pieces(document, windows, cuts, make_ids, encode) == [(0, 499)]
    assert spans_by_pieces(other, windows, cuts, make_ids, encode) is None
    assert spans_by_pieces(document, windows, cuts, lambda _: None, encode) is None
    assert spans_by_pieces(document, windows, cuts, make_ids, encode_more) is None


def test_spaces_go_with_the_token_that_takes_them() -> None:
    # The cut in front of the spaces is the first one that may be.
    text = f"{'y' * 300}{' ' * 600}<l>{'a ' * 1000}"
    reader = reader_of("stripping")
    options = EncodeOptions(long_document=LongDocument.TRUNCATE_START, max_tokens_per_document=1001)
    ((pair,),) = PairTokenizer(
        library_of("stripping"), 1100, None, TokenizerLibrary.WORDPIECE
    ).encode_documents(reader.encode_query("a"), [text], options)
    assert (pair.dropped_tokens, pair.start_char) == (1, 300)


@pytest.mark.parametrize(
    ("name", "cut"),
    [
        ("bundled", {"plant b": 5, "a\u00a0 b c": 4, "a中文": 2, "a\u00a0b": None, "日a": None}),
        ("ideographs-in-words", {"plant b": 5, "a中文": None}),
        ("stripping", {"plant  b": 5, "a中文": 2}),
        ("taking", {"plant b": None}),
        ("spaced", {"plant b": None}),
        ("normalized", {"plant b": None}),
    ],
)
def test_texts_are_cut_only_where_tokens_part(name: str, cut: dict[str, int | None]) -> None:
    cuts = find_cuts(library_of(name))
    for text, at in cut.items():
        found = cuts.search(text, 1) if cuts is not None else None
        assert (found.start() if found else None) == at


def test_lone_surrogates_are_read_as_tokenizers_reads_them() -> None:
    reader, plain = reader_of("bundled"), PairTokenizer(library_of("bundled"), MAX_TOKENS)
    documents = ["\ud800 half of a pair", "whole \U0001f600", "\udc00" * 100 + " the plant" * 100]
    for mode in (LongDocument.TRUNCATE_END, LongDocument.TRUNCATE_START, LongDocument.BEST_PASSAGE):
        options = EncodeOptions(long_document=mode)
        found, wanted = (
            [
                [document_of(pair) for pair in pairs]
                for pairs in one.encode_documents(one.encode_query("a"), documents, options)
            ]
            for one in (reader, plain)
        )
        assert found == wanted


@pytest.mark.parametrize("name", sorted(set(TOKENIZERS) - {"bert"}))
def test_other_families_are_left_to_tokenizers(name: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        reader = PairTokenizer(TOKENIZERS[name](), MAX_TOKENS, None, TokenizerLibrary.AUTO)
    assert reader.library == "tokenizers"
    (record,) = caplog.records
    assert record.levelno == logging.INFO
    with pytest.raises(ModelFailedError, match="tokenizer wordpiece was asked for, but the tokenizer"):
        PairTokenizer(TOKENIZERS[name](), MAX_TOKENS, None, TokenizerLibrary.WORDPIECE)


def test_without_the_extra_tokenizers_does_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "nanotoken", None)
    with caplog.at_level(logging.INFO):
        assert open_engine(bundled(), TokenizerLibrary.AUTO, joins_by_template=True) is None
    assert "rerankd[wordpiece]" in caplog.records[0].reason  # type: ignore[attr-defined]
    with pytest.raises(ModelFailedError, match=r"pip install 'rerankd\[wordpiece\]'"):
        open_engine(bundled(), TokenizerLibrary.WORDPIECE, joins_by_template=True)


def test_tokenizers_can_be_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert open_engine(bundled(), TokenizerLibrary.TOKENIZERS, joins_by_template=True) is None
    assert not caplog.records


def _other_vocabulary(tokenizer: Tokenizer) -> Tokenizer:
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    return tokenizer


def _other_added_tokens(tokenizer: Tokenizer) -> Tokenizer:
    tokenizer.add_tokens([AddedToken("[PAD] a", normalized=False)])
    return tokenizer


def _other_words(tokenizer: Tokenizer) -> Tokenizer:
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return tokenizer


def _shorter_words(tokenizer: Tokenizer) -> Tokenizer:
    tokenizer.model.max_input_chars_per_word = 99
    return tokenizer


@pytest.mark.parametrize("change", [_other_vocabulary, _other_added_tokens, _other_words, _shorter_words])
def test_an_engine_with_other_ids_is_refused(
    change: Callable[[Tokenizer], Tokenizer],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    engine = nanotoken.WordPieceTokenizer.from_json(change(bundled()).to_str())

    class Changed:
        @staticmethod
        def from_json(_: str) -> object:
            return engine

    monkeypatch.setattr(nanotoken, "WordPieceTokenizer", Changed)
    assert open_engine(bundled(), TokenizerLibrary.AUTO, joins_by_template=True) is None
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "other ids than tokenizers" in record.reason  # type: ignore[attr-defined]
    with pytest.raises(ModelFailedError, match="other ids than tokenizers"):
        open_engine(bundled(), TokenizerLibrary.WORDPIECE, joins_by_template=True)


def test_ids_that_would_take_a_table_of_gigabytes_are_refused() -> None:
    tokenizer = Tokenizer(models.WordPiece({"[UNK]": 0, "a": 4_000_000_000}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    with pytest.raises(ModelFailedError, match="a token's id is above 4194304"):
        open_engine(tokenizer, TokenizerLibrary.WORDPIECE, joins_by_template=True)


class PanicException(BaseException):
    """As pyo3 names its own, which cannot be imported."""


class _Failing:
    def __init__(self, error: BaseException) -> None:
        self._error = error

    def encode_batch(self, texts: Sequence[str], **_: object) -> None:
        raise self._error


@pytest.mark.parametrize("error", [PanicException("byte index 3"), ValueError("no room"), MemoryError()])
def test_a_batch_that_it_fails_on_is_read_by_tokenizers(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    reader, plain = (
        PairTokenizer(bundled(), MAX_TOKENS, None, library)
        for library in (TokenizerLibrary.WORDPIECE, TokenizerLibrary.TOKENIZERS)
    )
    monkeypatch.setattr(reader, "_engine", WordPieceEngine(_Failing(error)))
    documents = ["the plant", "green " * 200]
    found, wanted = (
        [
            document_of(pair)
            for (pair,) in one.encode_documents(one.encode_query("a"), documents, EncodeOptions())
        ]
        for one in (reader, plain)
    )
    assert found == wanted
    (record,) = caplog.records
    assert (record.levelno, record.texts) == (logging.WARNING, 2)  # type: ignore[attr-defined]


def test_an_interrupt_is_not_taken_for_a_failure() -> None:
    with pytest.raises(KeyboardInterrupt):
        WordPieceEngine(_Failing(KeyboardInterrupt())).ids(["a"])


def test_it_works_in_the_thread_that_calls_it_and_remembers_little() -> None:
    engine = open_engine(bundled(), TokenizerLibrary.WORDPIECE, joins_by_template=True)
    assert engine is not None
    assert nanotoken.get_cache_entries() <= CACHE_ENTRIES
    tasks = Path("/proc/self/task")
    before = set(os.listdir(tasks)) if tasks.exists() else set()
    # Above a mebibyte the library would take a thread for each core.
    (ids,) = engine.ids(["the plant " * 400_000])  # type: ignore[misc]
    assert len(ids) == 800_000
    if tasks.exists():
        assert set(os.listdir(tasks)) <= before


def test_threads_may_share_it() -> None:
    reader, library = reader_of("bundled"), library_of("bundled")
    documents = [f"plant {number} ünder " * (number % 9) for number in range(400)]
    wanted = [
        [*map(int, encoding.ids)] for encoding in library.encode_batch(documents, add_special_tokens=False)
    ]

    def work(_: int) -> list[list[int]]:
        assert reader._engine is not None
        found = reader._engine.ids(documents)
        assert found is not None
        return [ids.tolist() for ids in found]

    with ThreadPoolExecutor(4) as threads:
        assert all(found == wanted for found in threads.map(work, range(16)))


def test_a_model_is_loaded_with_it(tmp_path: Path) -> None:
    directory = build_model(tmp_path / "model")
    told: list[str] = []
    scores = []
    for library in (TokenizerLibrary.WORDPIECE, TokenizerLibrary.TOKENIZERS):
        backend = load(
            model_files(directory),
            OnnxSettings(threads=1, tokenizer=library),
            lambda *report: told.append(report[-1]),
        )
        documents = ["green plants", "the river " * 600, "日本語 é"]
        pairs = backend.encode_documents(backend.encode_query("plant"), documents, EncodeOptions())
        scores.append(backend.score([pair for windows in pairs for pair in windows], 0).tolist())
    assert scores[0] == scores[1]
    assert [line.rpartition(" ")[2] for line in told if "read by" in line] == ["nanotoken", "tokenizers"]


@pytest.mark.parametrize("name", [library.value for library in TokenizerLibrary])
def test_the_setting_reaches_the_model(name: str) -> None:
    assert onnx_settings(load_config({"onnx.tokenizer": name})).tokenizer.value == name
