"""What each client costs over its language's bare stubs, on a server whose model takes no time.

Each round makes one unary call of 100 documents and one stream of all documents by the client, and the
same by the stubs, one after the other. The server is the real one with the fake model of the tests.

    .venv/bin/python scripts/bench/clients.py --rounds 30 --documents 5000
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import record

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from support.languages import LANGUAGES, Client  # noqa: E402 - found by the line above
from support.servers import FAKE_MODEL_PROGRAM, ServerProcess  # noqa: E402

QUERY = "red river stone"


def write_documents(path: Path, count: int) -> None:
    """Texts of about 300 bytes."""
    with path.open("w", encoding="utf-8") as lines:
        for i in range(count):
            text = f"red {i} " + " ".join(f"word{(i * 7 + k) % 1000}" for k in range(33))
            lines.write(json.dumps({"id": f"d{i}", "text": text}) + "\n")


def measure(client: Client, target: str, documents: Path, rounds: int) -> dict[str, list[float]]:
    command = [*client.probe, "overhead", target, QUERY, str(documents), str(rounds)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    times: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
    return times


def summary(times: dict[str, list[float]], documents: int) -> dict[str, float]:
    # The first rounds of a virtual machine are its compiler's.
    settled = {name: values[len(values) // 4 :] for name, values in times.items()}
    median = {name: statistics.median(values) for name, values in settled.items()}
    unary = [c / s for c, s in zip(settled["client_unary_us"], settled["stub_unary_us"], strict=True)]
    stream = [c / s for c, s in zip(settled["client_stream_us"], settled["stub_stream_us"], strict=True)]
    return {
        "unary_ms": median["client_unary_us"] / 1000,
        "unary_ratio": statistics.median(unary),
        "stream_us_a_document": median["client_stream_us"] / documents,
        "stream_extra_us_a_document": (median["client_stream_us"] - median["stub_stream_us"]) / documents,
        "stream_ratio": statistics.median(stream),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--documents", type=int, default=5000)
    parser.add_argument("--languages", default=",".join(LANGUAGES))
    parser.add_argument("--quick", action="store_true", help="4 rounds, 500 documents")
    chosen = parser.parse_args(arguments)
    if chosen.quick:
        chosen.rounds, chosen.documents = 4, 500
    results: dict[str, dict[str, float]] = {}
    server = ServerProcess({"http_enabled": False, "warmup.mode": "lazy"}, program=FAKE_MODEL_PROGRAM)
    print(f"{'client':11} {'unary of 100':>14} {'/ stubs':>8} {'stream, a document':>19} {'/ stubs':>8}")
    try:
        with tempfile.TemporaryDirectory() as folder:
            documents = Path(folder) / "documents.jsonl"
            write_documents(documents, chosen.documents)
            for name in chosen.languages.split(","):
                language = LANGUAGES[name]
                if any(shutil.which(program) is None for program in language.programs):
                    print(f"{name:11} left out: {', '.join(language.programs)} are not all on the PATH")
                    continue
                (Path(folder) / name).mkdir()
                client = language.build(Path(folder) / name)
                result = summary(measure(client, server.target, documents, chosen.rounds), chosen.documents)
                results[name] = result
                print(
                    f"{name:11} {result['unary_ms']:11.2f} ms {result['unary_ratio']:8.2f} "
                    f"{result['stream_us_a_document']:16.1f} us {result['stream_ratio']:8.2f}"
                )
    finally:
        server.stop()
    record.write("clients", chosen, results)


if __name__ == "__main__":
    main()
