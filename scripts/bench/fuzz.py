"""Feeds every reader of what strangers write for as long as told, and counts: cases, rate, findings.

The targets are those of tests/faults/test_fuzzing.py: messages and streams of gRPC, bodies and raw bytes of
HTTP against a server in a process of its own; texts, graphs, tokenizers, configuration, state and caches in
this one. A finding is printed with the smallest case that shows it; the exit status is then 1.

    .venv/bin/python scripts/bench/fuzz.py --seconds 300

`--coverage` feeds those that read files by atheris instead, which mutates by the code that each case reaches.
It needs its environment, made once from a lock with hashes by scripts/sdk_environments.

    .venv/bin/python scripts/bench/fuzz.py --seconds 300 --coverage
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import record

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from support.fuzzing import TARGETS, Target, World, run_for  # found by the line above

ROOT = Path(__file__).resolve().parents[2]


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


def fuzz_by_coverage(target: Target, seconds: float) -> dict[str, Any]:
    """The same by atheris, in a process of its own."""
    made = subprocess.run(
        [sys.executable, ROOT / "scripts" / "sdk_environments", "atheris"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    # The same interpreter, so the packages that the server runs on fit.
    path = os.pathsep.join([str(ROOT / "src"), sysconfig.get_path("purelib")])
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [
                *(made.stdout.strip(), Path(__file__).with_name("fuzz_coverage.py"), target.name),
                *(f"-max_total_time={max(1, round(seconds))}", "-print_final_stats=1"),
                f"-artifact_prefix={folder}/",
            ],
            env={**os.environ, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    ran = re.search(r"number_of_executed_units: (\d+)", done.stdout)
    if done.returncode or ran is None:
        print(done.stdout[-4000:])
    cases = int(ran[1]) if ran else 0
    return {"cases": cases, "cases_per_second": cases / seconds, "findings": int(done.returncode != 0)}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=300, help="of all targets together")
    parser.add_argument("--target", default="", help="only those whose name has this in it")
    parser.add_argument("--coverage", action="store_true", help="by atheris, those that read bytes")
    parser.add_argument("--quick", action="store_true", help="two seconds each")
    chosen = parser.parse_args(arguments)
    # A damaged file is a warning each time.
    logging.disable(logging.CRITICAL)
    targets = [
        target
        for target in TARGETS
        if chosen.target in target.name and (target.reads_bytes or not chosen.coverage)
    ]
    each = 2.0 if chosen.quick else chosen.seconds / len(targets)
    rows: dict[str, dict[str, Any]] = {}
    with World() as world:
        for target in targets:
            row = fuzz_by_coverage(target, each) if chosen.coverage else fuzz(target, world, each)
            rows[target.name] = row
            print(
                f"{target.name:20} {row['cases']:8} cases {row['cases_per_second']:8.0f} a second  "
                f"{row['findings']} findings",
                flush=True,
            )
    cases, findings = (sum(row[name] for row in rows.values()) for name in ("cases", "findings"))
    print(f"{'all':20} {cases:8} cases, {findings} findings")
    record.write(
        "fuzz_coverage" if chosen.coverage else "fuzz",
        chosen,
        {"targets": rows, "cases": cases, "findings": findings},
    )
    raise SystemExit(1 if findings else 0)


if __name__ == "__main__":
    main()
