"""The bundled model scores as computed by hand, whatever the batch, the order and the neighbours."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

import numpy as np
import pytest
from golden.reference import BUNDLED, Reference
from tokenizers import Tokenizer

from rerankd.artifacts.files import ModelFiles
from rerankd.backends.base import EncodedPair, EncodeOptions
from rerankd.backends.onnx import OnnxBackend, OnnxSettings, Provider, load
from rerankd.core.types import LongDocument

TOLERANCE = 1e-5
GOLDEN = BUNDLED / "golden_pairs.json"

NOUNS = [
    "river",
    "plant",
    "harbour",
    "engine",
    "vaccine",
    "budget",
    "treaty",
    "glacier",
    "orchestra",
    "compiler",
    "harvest",
    "membrane",
]
VERBS = [
    "carries",
    "contains",
    "explains",
    "reduces",
    "supports",
    "describes",
    "replaces",
    "follows",
    "measures",
    "changes",
]
ADJECTIVES = [
    "old",
    "green",
    "narrow",
    "reliable",
    "northern",
    "expensive",
    "early",
    "quiet",
    "common",
    "electric",
]
PLACES = ["in the city", "near the coast", "during the winter", "after the war", "under pressure", "in 1987"]


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference()


@pytest.fixture(scope="module")
def backend() -> Iterator[OnnxBackend]:
    files = ModelFiles(
        id="rerankd/mini-en",
        revision="bundled",
        graph=BUNDLED / "model.onnx",
        tokenizer=BUNDLED / "tokenizer.json",
        config=json.loads((BUNDLED / "config.json").read_bytes()),
        precision="int8",
    )
    loaded = load(files, OnnxSettings(provider=Provider.CPU), lambda *_: None)
    yield loaded
    loaded.close()


def sentence(words: random.Random) -> str:
    subject, thing = words.choice(NOUNS), words.choice(NOUNS)
    described = (
        f"The {words.choice(ADJECTIVES)} {subject} {words.choice(VERBS)} a {words.choice(ADJECTIVES)} {thing}"
    )
    return f"{described} {words.choice(PLACES)}."


def text_of(length: int, words: random.Random) -> str:
    """English-like text of so many words."""
    text: list[str] = []
    while len(text) < length:
        text += sentence(words).split()
    return " ".join(text[:length])


def mixed_pairs(count: int) -> list[tuple[str, str]]:
    """Queries of 2 to 9 words and documents of 5 to 400, more short ones than long ones."""
    words = random.Random(20)
    lengths = [round(5 * 80 ** (words.random() ** 3)) for _ in range(count - 2)] + [5, 400]
    return [(text_of(words.randint(2, 9), words), text_of(length, words)) for length in lengths]


def whole_ids(reference: Reference, text: str) -> list[int]:
    """Ids of all of a text, which the reference's own tokenizer would cut."""
    library = Tokenizer.from_str(reference.tokenizer.to_str())
    library.no_truncation()
    return library.encode(text, add_special_tokens=False).ids


def encode(backend: OnnxBackend, query: str, document: str, **options: LongDocument) -> list[EncodedPair]:
    (pairs,) = backend.encode_documents(backend.encode_query(query), [document], EncodeOptions(**options))
    return pairs


def batches(pairs: list[EncodedPair], order: random.Random) -> Iterator[list[int]]:
    """Every pair once, in batches of 1 to 12 made of neighbours in length, in no order."""
    waiting = sorted(range(len(pairs)), key=lambda number: pairs[number].tokens * order.uniform(0.7, 1.3))
    while waiting:
        size = order.randint(1, 12)
        batch, waiting = waiting[:size], waiting[size:]
        order.shuffle(batch)
        yield batch


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_thousand_pairs_score_as_by_hand(backend: OnnxBackend, reference: Reference) -> None:
    texts = mixed_pairs(1000)
    by_hand = np.array([reference.logit(*pair) for pair in texts])
    pairs = [encode(backend, *pair)[0] for pair in texts]
    scores = np.zeros(len(pairs))
    for batch in batches(pairs, random.Random(21)):
        scores[batch] = backend.score([pairs[number] for number in batch], 0)
    np.testing.assert_allclose(scores, by_hand, rtol=TOLERANCE, atol=TOLERANCE)
    assert by_hand.std() > 0.5


def test_neighbours_of_any_length_do_not_matter(backend: OnnxBackend, reference: Reference) -> None:
    texts = mixed_pairs(24)
    pairs = [encode(backend, *pair)[0] for pair in texts]
    order = list(range(24))
    random.Random(22).shuffle(order)
    scores = np.zeros(24)
    scores[order] = backend.score([pairs[number] for number in order], 0)
    by_hand = [reference.logit(*pair) for pair in texts]
    np.testing.assert_allclose(scores, by_hand, rtol=TOLERANCE, atol=TOLERANCE)


def test_long_documents_score_as_by_hand(backend: OnnxBackend, reference: Reference) -> None:
    text = text_of(2000, random.Random(23))
    (pair,) = encode(backend, "what reduces the budget", text)
    assert pair.tokens == 512
    assert float(backend.score([pair], 0)[0]) == pytest.approx(
        reference.logit("what reduces the budget", text), rel=TOLERANCE, abs=TOLERANCE
    )


def test_windows_score_as_by_hand(backend: OnnxBackend, reference: Reference) -> None:
    text = text_of(1200, random.Random(24))
    windows = encode(backend, "glacier", text, long_document=LongDocument.BEST_PASSAGE)
    assert len(windows) > 2
    query, room = reference.tokenizer.encode("glacier"), 512 - len(reference.tokenizer.encode("glacier", ""))
    ids = whole_ids(reference, text)
    starts = [*range(0, len(ids) - room, room - room // 4), len(ids) - room]
    by_hand = [
        reference.logit_of(
            [*query.ids, *ids[start : start + room], query.ids[-1]], [0] * len(query) + [1] * (room + 1)
        )
        for start in starts
    ]
    np.testing.assert_allclose(backend.score(windows, 0), by_hand, rtol=TOLERANCE, atol=TOLERANCE)


def test_golden_pairs_hold(backend: OnnxBackend) -> None:
    content = json.loads(GOLDEN.read_bytes())
    for row in content["pairs"]:
        (score,) = backend.score(encode(backend, row["query"], row["document"]), 0)
        assert float(score) == pytest.approx(row["logit"], abs=content["tolerance"])


def test_golden_pairs_are_those_by_hand(reference: Reference) -> None:
    content = json.loads(GOLDEN.read_bytes())
    for row in content["pairs"]:
        assert reference.logit(row["query"], row["document"]) == pytest.approx(
            row["logit"], abs=content["tolerance"]
        )
