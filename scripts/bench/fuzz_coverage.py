"""One parser under atheris, which mutates what it feeds by the code that each case reaches.

Runs in the environment `atheris` of scripts/sdk_environments; `fuzz.py --coverage` calls it for each target
and reads how many cases libFuzzer says it ran.

    PYTHONPATH=... python scripts/bench/fuzz_coverage.py 'state file' -max_total_time=30
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

with atheris.instrument_imports(include=["rerankd"]):
    from support.fuzzing import TARGETS, World


def main() -> None:
    name, *rest = sys.argv[1:]
    (target,) = (target for target in TARGETS if target.name == name)
    # A damaged file is a warning each time.
    logging.disable(logging.CRITICAL)
    with World() as world:
        atheris.Setup([sys.argv[0], *rest], lambda content: target.check(world, content))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
