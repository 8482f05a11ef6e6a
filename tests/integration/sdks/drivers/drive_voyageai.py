"""The client of Voyage's own package."""

from __future__ import annotations

import voyageai
from driving import KEY, Call, Ranking, drive


def rerank(call: Call) -> Ranking:
    client = voyageai.Client(api_key=KEY, base_url=f"{call.url}/voyage/v1")
    answer = client.rerank(call.query, call.documents, model=call.model, top_k=call.wanted, **call.options)
    return [(result.index, result.relevance_score) for result in answer.results]


drive({"rerank": rerank})
