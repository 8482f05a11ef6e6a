"""Ranks a few documents in one call: python examples/python/unary.py [TARGET]."""

from __future__ import annotations

import sys

from rerankd.client import Client, RerankdError

DOCUMENTS = [
    "The pump failed because the pressure in the oil line was too high.",
    "Hypertension can be caused by kidney disease, by stiff arteries, and by some medicines.",
    {"id": "cuff", "text": "A nurse measures blood pressure with a cuff around the upper arm."},
]


def main(target: str) -> None:
    with Client(target) as client:
        try:
            response = client.rerank("what causes high blood pressure", DOCUMENTS, return_documents=True)
        except RerankdError as error:
            sys.exit(f"{error.reason or error.code.name}: {error.message}")
    for result in response.results:
        print(f"{result.rank}. {result.score:.4f} {result.document.text}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "localhost:50051")
