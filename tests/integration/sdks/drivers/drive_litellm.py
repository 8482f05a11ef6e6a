"""LiteLLM, which speaks several dialects behind one function."""

from __future__ import annotations

from collections.abc import Callable

import litellm
from driving import KEY, Call, Ranking, drive

PATHS = {
    "cohere": "",
    "hosted_vllm": "",
    "huggingface": "",
    "infinity": "",
    "jina_ai": "",
    "voyage": "/voyage/v1",
}

# Infinity gives documents back as strings, this server as the objects that everybody else reads.
OPTIONS = {"infinity": {"return_documents": False}}


def through(provider: str) -> Callable[[Call], Ranking]:
    def rerank(call: Call) -> Ranking:
        answer = litellm.rerank(
            model=f"{provider}/{call.model}",
            query=call.query,
            documents=call.documents,
            top_n=call.wanted,
            api_base=call.url + PATHS[provider],
            api_key=KEY,
            **{**OPTIONS.get(provider, {}), **call.options},
        )
        return [(result["index"], result["relevance_score"]) for result in answer.results]

    return rerank


drive({provider: through(provider) for provider in PATHS})
