"""LlamaIndex's rerankers for text-embeddings-inference and for Cohere."""

from __future__ import annotations

from driving import KEY, Call, Ranking, drive
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import NodeWithScore, TextNode
from llama_index.postprocessor.cohere_rerank import CohereRerank
from llama_index.postprocessor.tei_rerank import TextEmbeddingInference


def ranked(reranker: BaseNodePostprocessor, call: Call) -> Ranking:
    nodes = [NodeWithScore(node=TextNode(id_=str(i), text=text)) for i, text in enumerate(call.documents)]
    kept = reranker.postprocess_nodes(nodes, query_str=call.query)
    return [(int(node.node.node_id), node.get_score()) for node in kept]


def tei(call: Call) -> Ranking:
    # The token goes out as it is, without "Bearer" before it.
    return ranked(TextEmbeddingInference(base_url=call.url, top_n=call.at_most, auth_token=KEY), call)


def cohere(call: Call) -> Ranking:
    to_server = {"api_key": KEY, "base_url": call.url, "max_retries": 1}
    return ranked(CohereRerank(**to_server, model=call.model, top_n=call.at_most), call)


drive({"tei": tei, "cohere": cohere})
