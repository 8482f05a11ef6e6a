"""Ranks more documents than fit one message: python examples/python/stream.py [TARGET]."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from rerankd.client import Client, ScoreChunk


def documents() -> Iterator[dict[str, str]]:
    """As many as you like: they are made while the first ones are already being scored."""
    for number in range(1100):
        yield {"id": f"pump-{number}", "text": f"Pump number {number} failed because of high pressure."}
    yield {"id": "salt", "text": "Too much salt, little exercise and alcohol raise the blood pressure."}


def main(target: str) -> None:
    scored = 0
    with (
        Client(target) as client,
        client.rerank_stream(
            "what causes high blood pressure", documents(), emit="scores", top_n=3
        ) as stream,
    ):
        for event in stream:
            if isinstance(event, ScoreChunk):
                scored += len(event.index)
        summary = stream.summary()
    print(f"{scored} documents scored")
    for result in summary.results:
        print(f"{result.rank}. {result.score:.4f} {result.id}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "localhost:50051")
