"""Feeds every reader of what strangers write for as long as told, and counts: cases, rate, findings.

The targets are those of tests/faults/test_fuzzing.py: messages and streams of gRPC, bodies and raw bytes of
HTTP against a server in a process of its own; texts, graphs, tokenizers, configuration, state and caches in
this one. A finding is printed with the smallest case that shows it, and the exit status is 1.

    .venv/bin/python scripts/bench/fuzz.py --seconds 300
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import record

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from support.fuzzing import TARGETS, Target, World, run_for  # found by the line above


def fuzz(target: Target, world: World, seconds: float) -> dict[str, Any]:
    """One target's figures; what it finds is printed."""
    try:
        cases, took = run_for(target, world, seconds)
        if "gRPC" in target.name or "HTTP" in target.name:
            world.check_server()
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        traceback.print_exc()
        return {"cases": 0, "cases_per_second": 0.0, "findings": 1}
    return {"cases": cases, "cases_per_second": cases / took, "findings": 0}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=300, help="of all targets together")
    parser.add_argument("--target", default="", help="only those whose name has this in it")
    parser.add_argument("--quick", action="store_true", help="two seconds each")
    chosen = parser.parse_args(arguments)
    targets = [target for target in TARGETS if chosen.target in target.name]
    each = 2.0 if chosen.quick else chosen.seconds / len(targets)
    rows: dict[str, dict[str, Any]] = {}
    with World() as world:
        for target in targets:
            row = rows[target.name] = fuzz(target, world, each)
            print(
                f"{target.name:20} {row['cases']:8} cases {row['cases_per_second']:8.0f} a second  "
                f"{row['findings']} findings",
                flush=True,
            )
    cases, findings = (sum(row[name] for row in rows.values()) for name in ("cases", "findings"))
    print(f"{'all':20} {cases:8} cases, {findings} findings")
    record.write("fuzz", chosen, {"targets": rows, "cases": cases, "findings": findings})
    raise SystemExit(1 if findings else 0)


if __name__ == "__main__":
    main()
