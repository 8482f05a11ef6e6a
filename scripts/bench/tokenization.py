"""What tokenizing costs: by tokenizers and by nanotoken, passages and texts much longer than the model reads.

Both sides make the pairs that the server makes, with the bundled model's tokenizer, in turns; every round
has texts that neither has seen. Time on the clock, and of all cores: tokenizers spreads a batch over them,
nanotoken works in the calling thread.

    .venv/bin/python scripts/bench/tokenization.py --rounds 15
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import record
from passages import passages
from startup import BUNDLED

from rerankd.backends.base import EncodeOptions
from rerankd.backends.onnx import TokenizerLibrary
from rerankd.backends.onnx.tokenization import PairTokenizer, load_tokenizer
from rerankd.core.scoring import TOKENIZE_SLICE
from rerankd.core.types import LongDocument

QUERY = "what are the treatments for high blood pressure in adults"
MAX_TOKENS = 512
LIBRARIES = (TokenizerLibrary.TOKENIZERS, TokenizerLibrary.WORDPIECE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What one row of the result measures."""

    documents: int
    characters: int
    """Of a document; 0 = a passage as it is."""
    long_document: LongDocument = LongDocument.TRUNCATE_END


ROWS = {
    "passages": Work(documents=256, characters=0),
    "10,000 characters": Work(documents=8, characters=10_000),
    "200,000 characters": Work(documents=1, characters=200_000),
    "200,000, the end is kept": Work(
        documents=1, characters=200_000, long_document=LongDocument.TRUNCATE_START
    ),
    "200,000, best passage": Work(documents=1, characters=200_000, long_document=LongDocument.BEST_PASSAGE),
}


def texts_of(work: Work, texts: Sequence[str], number: int) -> list[str]:
    """Documents of a round, other ones in each: passages by their number, or many of them in one."""
    if not work.characters:
        start = number * work.documents
        return [f"{texts[(start + i) % len(texts)]} {start + i}" for i in range(work.documents)]
    documents = []
    for i in range(work.documents):
        start = 37 * (number * work.documents + i) % len(texts)
        turned = " ".join([*texts[start:], *texts[:start]])
        documents.append((turned * (1 + work.characters // len(turned)))[: work.characters])
    return documents


def measure(work: Work, texts: Sequence[str], rounds: int) -> dict[str, Any]:
    """Microseconds a document by each library, and how many times as much the first takes."""
    readers = {
        library: PairTokenizer(load_tokenizer(BUNDLED / "tokenizer.json"), MAX_TOKENS, None, library)
        for library in LIBRARIES
    }
    options = EncodeOptions(long_document=work.long_document)
    wall: dict[TokenizerLibrary, list[float]] = {library: [] for library in LIBRARIES}
    cores: dict[TokenizerLibrary, list[float]] = {library: [] for library in LIBRARIES}
    for number in range(-1, rounds):
        documents = texts_of(work, texts, number + 1)
        for library, reader in readers.items():
            query = reader.encode_query(QUERY)
            started, spent = time.perf_counter(), time.process_time()
            for at in range(0, len(documents), TOKENIZE_SLICE):
                reader.encode_documents(query, documents[at : at + TOKENIZE_SLICE], options)
            if number >= 0:
                wall[library].append(time.perf_counter() - started)
                cores[library].append(time.process_time() - spent)
    first, second = LIBRARIES
    return {
        **{
            f"{library.value}_us": 1e6 * statistics.median(wall[library]) / work.documents
            for library in LIBRARIES
        },
        "ratio": record.median_ratio(wall[first], wall[second]),
        "ratio_of_all_cores": record.median_ratio(cores[first], cores[second]),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="3 rounds")
    chosen = parser.parse_args(arguments)
    if chosen.quick:
        chosen.rounds = 3
    texts, source = passages(5000)
    print(f"us a document, medians of {chosen.rounds} interleaved rounds ({source})")
    print(f"{'':26}{'tokenizers':>12}{'nanotoken':>12}{'ratio':>8}{'of all cores':>14}")
    rows = {}
    for name, work in ROWS.items():
        row = rows[name] = measure(work, texts, chosen.rounds)
        print(
            f"{name:26}{row['tokenizers_us']:12.1f}{row['wordpiece_us']:12.1f}"
            f"{row['ratio']:8.1f}{row['ratio_of_all_cores']:14.1f}"
        )
    record.write("tokenization", chosen, rows, text=source)


if __name__ == "__main__":
    main()
