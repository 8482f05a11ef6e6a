"""LangChain's reranker for Cohere."""

from __future__ import annotations

from driving import KEY, Call, Ranking, drive
from langchain_cohere import CohereRerank
from langchain_core.documents import Document


def cohere_rerank(call: Call) -> Ranking:
    reranker = CohereRerank(base_url=call.url, model=call.model, cohere_api_key=KEY)
    results = reranker.rerank(call.documents, call.query, top_n=call.wanted, **call.options)
    return [(result["index"], result["relevance_score"]) for result in results]


def compressor(call: Call) -> Ranking:
    reranker = CohereRerank(base_url=call.url, model=call.model, cohere_api_key=KEY, top_n=call.wanted)
    documents = [Document(text, metadata={"index": i}) for i, text in enumerate(call.documents)]
    kept = reranker.compress_documents(documents, call.query)
    return [(document.metadata["index"], document.metadata["relevance_score"]) for document in kept]


drive({"rerank": cohere_rerank, "compress_documents": compressor})
