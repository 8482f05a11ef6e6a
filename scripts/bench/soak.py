"""A million documents through one server process: what it holds must not grow with what it has done.

Streams of 10,000 follow one another on one connection, after each a unary call and a stream that its caller
leaves, to a server whose model is the tests' one of one layer x 16. Its resident set is read after each
round; the slope is that of the least-squares line over all rounds after the warm-up. Threads, sockets,
descriptors and tasks of the event loop are counted before and after, with no client connected.

    .venv/bin/python scripts/bench/soak.py --documents 1000000
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import record

from rerankd.client import Client

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from support.inspected import Holdings, InspectedServer  # found by the line above
from support.onnx_models import build_model

QUERY = "red river stone"
WORDS = ("red", "river", "stone", "light", "salt")
KIB = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Soak:
    """What came of one run."""

    documents: int
    seconds: float
    rss_mib: list[tuple[int, float]]
    """Documents scored so far, and the resident set then."""
    slope_mib: float
    """MiB for each 100,000 documents after the warm-up."""
    before: Holdings
    after: Holdings

    @property
    def leaked(self) -> list[str]:
        """Threads, tasks, sockets and descriptors beyond those of before."""
        return self.after.more_than(self.before)


def documents(first: int, count: int) -> Iterator[dict[str, str]]:
    """Never the same text twice, so that the score cache answers none."""
    for i in range(first, first + count):
        filler = " ".join(WORDS[(i // 5**k) % 5] for k in range(4 + i % 5))
        yield {"id": f"d{i}", "text": f"{filler} {i}"}


def slope(points: Sequence[tuple[int, float]]) -> float:
    """Of the least-squares line, for each 100,000 documents."""
    middle_x = sum(x for x, _ in points) / len(points)
    middle_y = sum(y for _, y in points) / len(points)
    spread = sum((x - middle_x) ** 2 for x, _ in points)
    return 100_000 * sum((x - middle_x) * (y - middle_y) for x, y in points) / spread


def one_round(client: Client, first: int, count: int) -> None:
    """A whole stream, a unary call, and a stream that is left after its first scores."""
    summary = client.rerank_stream(QUERY, documents(first, count), top_n=10).summary()
    if summary.usage.scored_documents != count:
        raise SystemExit(f"{summary.usage.scored_documents} of {count} documents were scored")
    client.rerank(QUERY, list(documents(first, 10)))
    with client.rerank_stream(QUERY, documents(first, 1_000), emit="scores", top_n=10) as events:
        for _ in islice(events, 1):
            pass


def soak(server: InspectedServer, count: int, *, stream: int, warm_up: int) -> Soak:
    """Streams `count` documents after `warm_up` ones that do not count."""
    with Client(server.target) as client:
        for first in range(0, warm_up, stream):
            one_round(client, first, stream)
    before = server.holdings()
    started, points = time.perf_counter(), []
    with Client(server.target) as client:
        for first in range(warm_up, warm_up + count, stream):
            one_round(client, first, stream)
            points.append((first + stream - warm_up, server.rss_kib() / KIB))
    return Soak(
        documents=count,
        seconds=time.perf_counter() - started,
        rss_mib=points,
        slope_mib=slope(points),
        before=before,
        after=server.settles_to(before),
    )


def run(count: int, *, stream: int, warm_up: int) -> Soak:
    """The same with a server of its own."""
    with tempfile.TemporaryDirectory() as folder:
        model = build_model(Path(folder) / "tiny")
        server = InspectedServer(
            {
                "model": str(model),
                "models.cache_dir": folder,
                "http_enabled": False,
                # Measured lanes would be others on each run.
                "onnx.lanes": 1,
                "onnx.batch_tokens": 4096,
                # On, as in production, but full before the warm-up ends: what grows after that is a leak.
                "cache.max_mib": 8,
            }
        )
        try:
            return soak(server, count, stream=stream, warm_up=warm_up)
        finally:
            if server.stop() != 0:
                raise SystemExit("the server did not end well:\n" + "".join(server.log[-20:]))


def show(told: Soak) -> None:
    rate = told.documents / told.seconds
    print(f"{told.documents} documents in {told.seconds:.0f} s, {rate:.0f} a second")
    first, last = told.rss_mib[0][1], told.rss_mib[-1][1]
    print(f"RSS {first:.1f} -> {last:.1f} MiB, {told.slope_mib:+.3f} MiB for each 100,000 documents")
    for name in ("before", "after"):
        held: Holdings = getattr(told, name)
        print(
            f"{name:7} {len(held.threads)} Python threads of {held.native_threads}, {len(held.tasks)} tasks, "
            f"{held.sockets} sockets, {held.descriptors} descriptors"
        )
    print("leaked: " + (", ".join(told.leaked) or "nothing"))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--stream", type=int, default=10_000, help="documents of one stream")
    parser.add_argument("--warm-up", type=int, default=100_000, help="documents before the first measurement")
    parser.add_argument("--quick", action="store_true", help="100,000 after 50,000, in streams of 5,000")
    chosen = parser.parse_args(arguments)
    if chosen.quick:
        chosen.documents, chosen.warm_up, chosen.stream = 100_000, 50_000, 5_000
    told = run(chosen.documents, stream=chosen.stream, warm_up=chosen.warm_up)
    show(told)
    figures: dict[str, Any] = {
        "seconds": told.seconds,
        "documents_per_second": told.documents / told.seconds,
        "rss_slope_mib_per_100000": told.slope_mib,
        "rss_mib": told.rss_mib,
        "before": asdict(told.before),
        "after": asdict(told.after),
        "leaked": told.leaked,
    }
    record.write("soak", chosen, figures)


if __name__ == "__main__":
    main()
