"""The page's modules alone, imported by a browser: parsers, literals, the generator, the running top."""

from __future__ import annotations

import ast
import json
import string
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page
from support.browser import visiting
from support.servers import ServerProcess

Call = Callable[..., Any]

# The function-scoped part of the fixture holds no state; each example is a round trip to the browser.
SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
_CALL = """async ([name, called, values]) => {
    const module = await import(`/playground/${name}.js`);
    try { return module[called](...values); } catch (error) { return { refused: error.message }; }
}"""
_BEST = """async ([results, size]) => {
    const { Best } = await import("/playground/ranking.js");
    const best = new Best(size);
    for (const result of results) best.take(result);
    return best.results;
}"""
# What String.prototype.trim takes for space.
_SPACE = "\t\n\v\f\r \xa0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff"
_SPACE += "".join(map(chr, range(0x2000, 0x200B)))
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**31), 2**31) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def page(browser: Browser, quick_server: ServerProcess) -> Iterator[Page]:
    """A page that can import the modules."""
    with visiting(browser, quick_server.http_url) as visit:
        yield visit.page


@pytest.fixture(scope="module")
def module(page: Page) -> Call:
    """Calls a function of a module with values of JSON."""

    def call(name: str, function: str, *values: object) -> Any:
        return page.evaluate(_CALL, [name, function, values])

    return call


@SETTINGS
@given(VALUE)
def test_python_literals_are_the_value(module: Call, value: object) -> None:
    written = module("literals", "python", value)
    assert ast.literal_eval(written) == value
    assert "\n" not in written


@SETTINGS
@given(TEXT)
def test_quoted_texts_are_json_without_unseen_characters(module: Call, text: str) -> None:
    written = module("literals", "quoted", text)
    assert json.loads(written) == text
    assert not set(written) & {*"\u200b\u200e\u202e\u2028\u2029\u2066\ufeff\x7f", *string.whitespace} - {" "}


@SETTINGS
@given(TEXT)
def test_java_texts_have_no_escape_that_ends_them(module: Call, text: str) -> None:
    written = module("literals", "javaText", text)
    # Java resolves \\uXXXX before it looks for quotes and line ends.
    for code in ("0022", "005c", "000a", "000d"):
        assert f"\\u{code}" not in written.replace("\\\\", "")
    assert json.loads(written) == text


def test_very_long_texts_are_several_constants_of_java(module: Call) -> None:
    written = module("literals", "javaText", "\N{CROISSANT}" * 30_000)
    listed = written.removeprefix('String.join("", ').removesuffix(")")
    parts = ast.literal_eval(f"[{listed}]")
    assert "".join(parts) == "\N{CROISSANT}" * 30_000
    assert max(len(part.encode("utf-16-le")) // 2 * 3 for part in parts) <= 65_535


@SETTINGS
@given(st.lists(st.dictionaries(st.sampled_from(["id", "text"]), TEXT, min_size=2), min_size=1, max_size=5))
def test_records_survive_both_ways_of_json(module: Call, documents: list[dict[str, str]]) -> None:
    lines = "\n".join(json.dumps(document) for document in documents)
    for typed, form in ((lines, "jsonl"), (json.dumps(documents, indent=1), "json")):
        read = module("documents", "parseDocuments", typed)
        assert read == {"documents": documents, "format": form}


@SETTINGS
@given(TEXT)
def test_any_text_is_documents(module: Call, text: str) -> None:
    read = module("documents", "parseDocuments", text, "lines")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    assert len(read["documents"]) == len([line for line in lines if line.strip(_SPACE)])


@pytest.mark.parametrize(
    ("typed", "form", "message"),
    [
        ("{", "jsonl", "line 1 is no JSON"),
        ("\n\n7", "jsonl", "line 3 is neither a text nor an object"),
        ("{}", "json", "the input is no JSON array"),
        ("[", "json", "the input is no JSON"),
        ("[[1]]", "json", "item 1 is neither a text nor an object"),
    ],
)
def test_broken_documents_are_refused_with_their_place(
    module: Call, typed: str, form: str, message: str
) -> None:
    assert module("documents", "parseDocuments", typed, form)["refused"].startswith(message)


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({"text": "x"}, "x"),
        ({"fields": {"content": "c", "text": "t", "a": "b"}}, "c"),
        ({"fields": {"content": 7, "text": "t"}}, "t"),
        ({"fields": {"b": "2", "a": "1", "n": 3}}, "1\n2"),
        ({"fields": {}}, ""),
    ],
)
def test_the_text_that_is_scored_is_known(module: Call, document: object, text: str) -> None:
    assert module("documents", "scoredText", document) == text


@SETTINGS
@given(TEXT, st.integers(0, 60), st.integers(0, 60))
def test_passages_count_code_points(module: Call, text: str, one: int, other: int) -> None:
    start, end = sorted((min(one, len(text)), min(other, len(text))))
    parts = module("documents", "aroundPassage", text, {"startChar": start, "endChar": end})
    assert parts == [text[:start], text[start:end], text[end:]]


def test_candidates_are_the_same_each_time(module: Call) -> None:
    topic = {"query": "q", "planted": [f"planted {number}" for number in range(10)]}
    once, again = (module("candidates", "candidates", topic, 10_000) for _ in range(2))
    assert once["texts"] == again["texts"]
    assert len(set(once["texts"])) == 10_000
    assert {text for text in once["texts"] if text.startswith("planted")} == set(topic["planted"])
    other = module("candidates", "candidates", topic, 10)
    assert sorted(other["texts"]) == sorted(topic["planted"])


RESULT = st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([-1.0, 0.0, 3.0]))


@SETTINGS
@given(st.lists(RESULT, max_size=30), st.integers(1, 12))
def test_the_running_top_is_that_of_a_sort(page: Page, scores: list[tuple[float, float]], size: int) -> None:
    results = [{"index": i, "score": score, "logit": logit} for i, (score, logit) in enumerate(scores)]
    best = page.evaluate(_BEST, [results, size])
    wanted = sorted(results, key=lambda result: (-result["score"], -result["logit"], result["index"]))
    assert best == wanted[:size]


@pytest.mark.parametrize(
    ("index", "rank", "way", "words"),
    [(7, 1, "up", "up 7, from 8"), (0, 3, "down", "down 2, from 1"), (4, 5, "same", "stays")],
)
def test_moves_are_counted(module: Call, index: int, rank: int, way: str, words: str) -> None:
    move = module("ranking", "moveOf", index, rank)
    assert (move["way"], move["words"]) == (way, words)


@pytest.mark.parametrize(
    ("ms", "text"), [(0.04, "0.0 ms"), (9.94, "9.9 ms"), (12.4, "12 ms"), (1234, "1.23 s"), (65e3, "65.0 s")]
)
def test_times_are_for_people(module: Call, ms: float, text: str) -> None:
    assert module("ranking", "timeText", ms) == text
