"""What the whole service answers equals the computation by hand: unary, stream and batch."""

from __future__ import annotations

import random

import pytest
from golden.reference import Reference
from support.servers import ServerProcess

from rerankd.client import Client, rerank_request

QUERIES = ("which medicine lowers blood pressure", "how is glass recycled")
WORDS = [
    "medicine",
    "lowers",
    "blood",
    "pressure",
    "glass",
    "is",
    "melted",
    "and",
    "formed",
    "again",
    "while",
    "salt",
    "raises",
    "it",
    "slowly",
]


def texts() -> list[str]:
    """Of 1 to 150 words, some of them equal."""
    rng = random.Random(7)
    made = [" ".join(rng.choices(WORDS, k=rng.choice((1, 5, 20, 60, 150)))) for _ in range(110)]
    return [*made, *made[:10], "", "\N{SEEDLING} \x00 emoji and NUL"]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_way_to_ask_gives_the_scores_computed_by_hand(server: ServerProcess) -> None:
    documents, reference = texts(), Reference()
    expected = {q: [reference.logit(q, text) for text in documents] for q in QUERIES}
    with Client(server.target) as client:
        for query in QUERIES:
            unary = client.rerank(query, documents, timeout_seconds=120)
            stream = client.rerank_stream(query, documents, chunk_documents=13).summary()
            for response in (unary, stream):
                got = {result.index: result.logit for result in response.results}
                assert got == pytest.approx(dict(enumerate(expected[query])), abs=1e-5)
        requests = [rerank_request(query, documents) for query in QUERIES]
        batch = client.rerank_batch(requests, timeout_seconds=120)
    for query, result in zip(QUERIES, batch.results, strict=True):
        got = {r.index: r.logit for r in result.response.results}
        assert got == pytest.approx(dict(enumerate(expected[query])), abs=1e-5)
