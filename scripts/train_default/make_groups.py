"""Writes the training groups, the groups that are kept back, and the trunk that is trained."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from pairs import material
from teachers import groups
from trunk import make_trunk

from rerankd.training.mining.groups import line_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=Path, required=True, help="pairs.jsonl.gz: source, query, passage")
    parser.add_argument(
        "--banned", type=Path, nargs="*", default=[], help="queries.jsonl of judging collections"
    )
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    banned = [
        json.loads(line)["text"]
        for path in options.banned
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    found = material(options.pairs, banned)
    make_trunk(found.passages, options.out / "trunk")
    kept = {asked.query for asked in found.queries if asked.is_dev}
    with (options.out / "train.jsonl").open("wb") as train, (options.out / "dev.jsonl").open("wb") as dev:
        for group in groups(found):
            (dev if group.query in kept else train).write(line_of(group))


if __name__ == "__main__":
    main()
