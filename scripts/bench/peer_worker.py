"""One peer in its own process and environment: answers the calls that `peers.py` sends it.

Reads lines of JSON, {"query", "calls": [[text, ...], ...], "batch": number or null}, and answers each with
{"seconds", "scores"}; the first line it writes is {"ready": true}. It imports nothing of this project.

    PYTHON scripts/bench/peer_worker.py PEER MODEL_FOLDER
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

Scorer = Callable[[str, list[str], "int | None"], list[float]]
"""Scores in the order of the texts; None is the peer's own default batch."""


def sentence_transformers(folder: Path, backend: str) -> Scorer:
    from sentence_transformers import CrossEncoder

    options = (
        {"file_name": "onnx/model.onnx", "provider": "CPUExecutionProvider"} if backend == "onnx" else {}
    )
    model = CrossEncoder(str(folder), device="cpu", backend=backend, model_kwargs=options)

    def score(query: str, texts: list[str], batch: int | None) -> list[float]:
        choice = {} if batch is None else {"batch_size": batch}
        return model.predict([(query, text) for text in texts], show_progress_bar=False, **choice).tolist()

    return score


def fastembed(folder: Path) -> Scorer:
    from fastembed.common.model_description import ModelSource
    from fastembed.rerank.cross_encoder import TextCrossEncoder

    TextCrossEncoder.add_custom_model("bench/l6", ModelSource(hf="bench/l6"), "onnx/model.onnx")
    model = TextCrossEncoder("bench/l6", specific_model_path=str(folder))

    def score(query: str, texts: list[str], batch: int | None) -> list[float]:
        choice = {} if batch is None else {"batch_size": batch}
        return list(model.rerank(query, texts, **choice))

    return score


def flashrank(folder: Path) -> Scorer:
    from flashrank import Ranker, RerankRequest
    from flashrank.Config import model_file_map

    # It knows only models of its own list: ours is put where one of them would lie, under its name.
    name = "ms-marco-MiniLM-L-12-v2"
    place = folder / "flashrank" / name
    place.mkdir(parents=True, exist_ok=True)
    for path in (*folder.glob("*.json"), folder / "vocab.txt"):
        (place / path.name).write_bytes(path.read_bytes())
    (place / model_file_map[name]).write_bytes((folder / "onnx" / "model.onnx").read_bytes())
    ranker = Ranker(name, cache_dir=str(place.parent), max_length=512, log_level="WARNING")

    def score(query: str, texts: list[str], batch: int | None) -> list[float]:
        passages = [{"id": number, "text": text} for number, text in enumerate(texts)]
        found = ranker.rerank(RerankRequest(query=query, passages=passages))
        return [float(one["score"]) for one in sorted(found, key=lambda one: one["id"])]

    return score


def rerankers(folder: Path) -> Scorer:
    from rerankers import Reranker

    ranker = Reranker(str(folder), model_type="cross-encoder", device="cpu", dtype="float32", verbose=0)

    def score(query: str, texts: list[str], batch: int | None) -> list[float]:
        found = ranker.rank(query, texts, doc_ids=list(range(len(texts))), batch_size=batch)
        return [float(one.score) for one in sorted(found.results, key=lambda one: one.doc_id)]

    return score


PEERS: dict[str, Callable[[Path], Scorer]] = {
    "sentence-transformers torch": lambda folder: sentence_transformers(folder, "torch"),
    "sentence-transformers onnx": lambda folder: sentence_transformers(folder, "onnx"),
    "fastembed": fastembed,
    "flashrank": flashrank,
    "rerankers": rerankers,
}


def main() -> None:
    # Libraries print; the answers go through a descriptor that they do not know.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    score = PEERS[sys.argv[1]](Path(sys.argv[2]))
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        task = json.loads(line)
        started = time.perf_counter()
        scores = [score(task["query"], texts, task["batch"]) for texts in task["calls"]]
        seconds = time.perf_counter() - started
        flat = [one for call in scores for one in call]
        print(json.dumps({"seconds": seconds, "scores": flat}), file=answers, flush=True)


if __name__ == "__main__":
    main()
