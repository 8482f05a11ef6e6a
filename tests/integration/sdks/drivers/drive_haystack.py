"""Haystack's ranker for text-embeddings-inference."""

from __future__ import annotations

from driving import Call, Ranking, drive
from haystack import Document
from haystack_integrations.components.rankers.huggingface_api import HuggingFaceTEIRanker, TruncationDirection


def tei(call: Call) -> Ranking:
    raw_scores = call.options.get("raw_scores", False)
    ranker = HuggingFaceTEIRanker(url=call.url, max_retries=1, raw_scores=raw_scores)
    # Haystack keeps one of the documents with the same id, and makes ids of texts if there are none.
    documents = [Document(id=str(i), content=text) for i, text in enumerate(call.documents)]
    direction = call.options.get("truncation_direction")
    answer = ranker.run(
        call.query,
        documents,
        top_k=call.at_most,
        truncation_direction=TruncationDirection(direction) if direction else None,
    )
    return [(int(document.id), document.score) for document in answer["documents"]]


drive({"tei": tei})
