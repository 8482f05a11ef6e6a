"""Writes what vectors without `expect` should give, computed by hand: `.venv/bin/python tests/conformance/fill_expectations.py`.

Scores come from tests/golden/reference.py, which shares no code with the server: one pair at a time,
unoptimized. Write a vector without `expect`, run this, and read what it wrote. Vectors for errors, batches
and raw streams are written whole. A vector whose documents are not scored as their plain text says what is
scored in `scored_texts`, one entry for each document (null: not scored). After a change of the bundled model
`--anew` writes its expectations anew; read the difference.
"""  # noqa: E501 - a command cannot be broken

from __future__ import annotations

import json
import math
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent / "golden"))

from reference import Reference  # noqa: E402 - found by the line above

MODEL = "rerankd/mini-en"
REQUESTS = ("rerank", "rerank_all", "rerank_stream")
SHOWN = 20
"""Of long rankings, the first results are written down."""


def documents_of(vector: Mapping[str, Any], request: Mapping[str, Any]) -> list[dict[str, Any]]:
    generate = vector.get("generate", {"count": 0})
    made = (
        {"id": f"g{i}", "text": generate["texts"][i % len(generate["texts"])].replace("{i}", str(i))}
        for i in range(generate["count"])
    )
    return [*request.get("documents", []), *made]


def rows_of(
    reference: Reference, vector: Mapping[str, Any], request: Mapping[str, Any]
) -> list[dict[str, Any]]:
    options = request.get("options", {})
    documents = documents_of(vector, request)
    texts = vector.get("scored_texts", [document.get("text") for document in documents])
    limit = options.get("max_scored_documents") or len(documents)
    rows = []
    for index, (document, text) in enumerate(zip(documents, texts, strict=True)):
        row: dict[str, Any] = {"index": index, "id": document.get("id", "")}
        if "original_score" in document:
            row["original_score"] = document["original_score"]
        row["scored"] = text is not None and index < limit
        if row["scored"]:
            row["logit"] = reference.logit(request["query"], text)
            row["score"] = row["logit"] if options.get("raw_scores") else 1 / (1 + math.exp(-row["logit"]))
            whole = reference.tokenizer.encode(document.get("text", text), add_special_tokens=False)
            part = reference.tokenizer.encode(text, add_special_tokens=False)
            row["dropped_tokens"] = len(whole.ids) - len(part.ids)
        if options.get("return_documents"):
            row["document"] = document
        rows.append(row)
    return rows


def blend(rows: Sequence[dict[str, Any]], weight: float) -> None:
    """As the comment of RerankOptions.original_score_weight defines it."""
    scored = [row for row in rows if row["scored"]]
    lowest = min(row["original_score"] for row in scored if "original_score" in row)
    sides = (
        [row["logit"] for row in scored],
        [row.get("original_score", lowest) for row in scored],
    )
    model, original = (
        [(v - statistics.fmean(side)) / statistics.pstdev(side) for v in side] for side in sides
    )
    for row, m, o in zip(scored, model, original, strict=True):
        row["score"] = (1 - weight) * m + weight * o


def expectation(
    reference: Reference, vector: Mapping[str, Any], request: Mapping[str, Any]
) -> dict[str, Any]:
    options = request.get("options", {})
    if options.get("model") == "none":
        return in_the_given_order(vector, request)
    rows = rows_of(reference, vector, request)
    scored = sum(row["scored"] for row in rows)
    usage = {"documents": len(rows), "scored_documents": scored}
    usage["truncated_documents"] = sum(row.get("dropped_tokens", 0) > 0 for row in rows)
    if weight := options.get("original_score_weight"):
        blend(rows, weight)
    rows.sort(key=lambda row: (not row["scored"], -row.get("score", 0), -row.get("logit", 0), row["index"]))
    if "min_score" in options:
        rows = [row for row in rows if row["scored"] and row["score"] >= options["min_score"]]
    rows = rows[: options.get("top_n") or len(rows)]
    for rank, row in enumerate(rows, start=1):
        row["rank"] = rank
    expect: dict[str, Any] = {"results": [rounded(row) for row in rows[:SHOWN]], "outcome": "RERANKED"}
    if len(rows) > SHOWN:
        expect["count"] = len(rows)
    return expect | {"model": MODEL, "usage": usage}


def in_the_given_order(vector: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
    """What the model `none` answers: no option but `top_n` and `return_documents` makes a difference."""
    options = request["options"]
    documents = documents_of(vector, request)
    rows = []
    for index, document in enumerate(documents[: options.get("top_n") or len(documents)]):
        row = {"index": index, "id": document.get("id", ""), "scored": False, "score": 0.0, "rank": index + 1}
        if "original_score" in document:
            row["original_score"] = document["original_score"]
        if options.get("return_documents"):
            row["document"] = document
        rows.append(row)
    expect: dict[str, Any] = {"results": rows[:SHOWN]}
    if len(rows) > SHOWN:
        expect["count"] = len(rows)
    return expect | {
        "outcome": "PASSTHROUGH",
        "outcome_reason": "NONE: ",
        "model": "none",
        "usage": {"documents": len(documents), "scored_documents": 0, "truncated_documents": 0},
    }


def rounded(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: round(value, 6) if name in ("score", "logit") else value for name, value in row.items()}


def main() -> None:
    reference = Reference()
    anew = "--anew" in sys.argv[1:]
    for path in sorted((FOLDER / "vectors").glob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        for vector in content["vectors"]:
            for kind in REQUESTS:
                stale = anew and vector.get("expect", {}).get("model") == MODEL
                if kind in vector and ("expect" not in vector or stale):
                    vector["expect"] = vector.get("expect", {}) | expectation(reference, vector, vector[kind])
                    print(f"{path.name}: {vector['name']}")
        path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
