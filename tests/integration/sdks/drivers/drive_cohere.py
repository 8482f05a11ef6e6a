"""The clients of Cohere's own package."""

from __future__ import annotations

import asyncio

import cohere
from driving import KEY, Call, Ranking, drive


def v1(call: Call) -> Ranking:
    client = cohere.Client(KEY, base_url=call.url)
    answer = client.rerank(
        model=call.model, query=call.query, documents=call.documents, top_n=call.wanted, **call.options
    )
    return [(result.index, result.relevance_score) for result in answer.results]


def v2(call: Call) -> Ranking:
    client = cohere.ClientV2(KEY, base_url=call.url)
    answer = client.rerank(
        model=call.model, query=call.query, documents=call.documents, top_n=call.wanted, **call.options
    )
    return [(result.index, result.relevance_score) for result in answer.results]


def v2_async(call: Call) -> Ranking:
    async def rerank() -> Ranking:
        client = cohere.AsyncClientV2(KEY, base_url=call.url)
        answer = await client.rerank(model=call.model, query=call.query, documents=call.documents)
        return [(result.index, result.relevance_score) for result in answer.results][: call.wanted]

    return asyncio.run(rerank())


drive({"v1": v1, "v2": v2, "v2_async": v2_async})
