"""Judges the new model on collections it was not trained on: BM25's candidates before and after.

Beside it: the model before it (`--before`), and the trunk as it was published, as a bi-encoder.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from teachers import BiEncoder

from rerankd.config.training import EvaluationConfig
from rerankd.training.evaluation.evaluation import evaluate
from rerankd.training.evaluation.folders import BeirFolder
from rerankd.training.evaluation.onnx_scorer import OnnxScorer
from rerankd.training.evaluation.storage import save_all
from rerankd.training.evaluation.summary import summaries


class CosineScorer:
    """The untrained trunk: query and document apart, cosine of their vectors."""

    name = "all-MiniLM-L6-v2 bi-encoder"

    def __init__(self, max_tokens: int) -> None:
        self._encoder = BiEncoder()
        self._max_tokens = max_tokens
        self._known: dict[str, npt.NDArray[np.float32]] = {}

    def score(self, query: str, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """Cosines; the vectors of documents are kept, since queries share many of them."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known.update(zip(new, self._encoder.embed(new, self._max_tokens), strict=True))
        vectors = np.stack([self._known[text] for text in texts])
        return np.asarray(vectors @ self._encoder.embed([query], 128)[0], dtype=np.float64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--before", type=Path, help="directory of the model that it is to replace")
    parser.add_argument("--corpus", type=Path, nargs="+", required=True)
    parser.add_argument("--max-queries", type=int, default=0)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--html", type=Path)
    options = parser.parse_args()
    config = EvaluationConfig(max_queries=options.max_queries)
    scorers = [
        OnnxScorer.of_directory(options.model, max_tokens=config.max_tokens),
        CosineScorer(config.max_tokens),
    ]
    if options.before is not None:
        scorers.append(OnnxScorer.of_directory(options.before, max_tokens=config.max_tokens))
    reports = []
    for folder in options.corpus:
        corpus = BeirFolder(folder)
        reports.append(
            evaluate(corpus, "test", scorers, config, progress=lambda *told: print(*told, flush=True))
        )
        save_all(reports, [], json_path=options.json, html_path=None)
    save_all(reports, summaries(reports, "ndcg@10"), json_path=options.json, html_path=options.html)


if __name__ == "__main__":
    main()
