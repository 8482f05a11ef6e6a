"""AnswerDotAI's `rerankers`, which has no exceptions of its own: what it cannot read ends in a KeyError."""

from __future__ import annotations

from collections.abc import Callable

from driving import KEY, Call, Ranking, drive
from rerankers import Reranker

PATHS = {
    "cohere": "/v1/rerank",
    "jina": "/v1/rerank",
    "text-embeddings-inference": "/rerank",
    "voyage": "/voyage/v1/rerank",
}


def through(provider: str) -> Callable[[Call], Ranking]:
    def rank(call: Call) -> Ranking:
        to_server = {"api_provider": provider, "api_key": KEY, "url": call.url + PATHS[provider]}
        ranker = Reranker(call.model, model_type="APIRanker", **to_server)
        answer = ranker.rank(call.query, call.documents)
        # It always asks for every document; those who want fewer cut.
        return [(result.document.doc_id, result.score) for result in answer.top_k(call.at_most)]

    return rank


drive({provider: through(provider) for provider in PATHS})
