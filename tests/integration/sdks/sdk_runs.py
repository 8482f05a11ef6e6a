"""The drivers of SDKs: each runs until the last test, since many an SDK takes seconds to import."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from support.sdk_environments import python_of

DRIVERS = Path(__file__).parent / "drivers"
MODEL = "test/fake"

# Of the developer's own environment only what programs need: no keys, no proxies, no tracing.
ENVIRONMENT = {
    **{name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ},
    "HAYSTACK_TELEMETRY_ENABLED": "False",
    "HF_HUB_OFFLINE": "1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "PYTHONDONTWRITEBYTECODE": "1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One call of one of an SDK's interfaces."""

    api: str
    query: str
    documents: Sequence[Any]
    top_n: int = 0
    model: str = MODEL
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one call gave: a ranking, or what the SDK raised."""

    ranking: list[tuple[int, float]] | None = None
    error: dict[str, Any] | None = None


class Sdks:
    """The SDKs, each asked through its driver; to be closed."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._drivers: dict[str, subprocess.Popen[str]] = {}

    def ask(self, sdk: str, asked: Ask, *, url: str = "") -> Outcome:
        """What the SDK makes of one call, to the usual server or to that of `url`."""
        driver = self._driver(sdk)
        assert driver.stdin is not None
        assert driver.stdout is not None
        print(json.dumps({"url": url or self._url, **asdict(asked)}), file=driver.stdin, flush=True)
        line = driver.stdout.readline()
        assert line, f"the driver of {sdk} ended with {driver.wait()}; its messages are above"
        told = json.loads(line)
        if "error" in told:
            return Outcome(error=told["error"])
        return Outcome(ranking=[(index, score) for index, score in told["ranking"]])

    def close(self) -> None:
        """Ends the drivers."""
        for driver in self._drivers.values():
            assert driver.stdin is not None
            driver.stdin.close()
        for driver in self._drivers.values():
            assert driver.stdout is not None
            driver.stdout.close()
            driver.wait()

    def _driver(self, sdk: str) -> subprocess.Popen[str]:
        if sdk not in self._drivers:
            self._drivers[sdk] = subprocess.Popen(
                [str(python_of(sdk)), str(DRIVERS / f"drive_{sdk.replace('-', '_')}.py")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=ENVIRONMENT,
                text=True,
            )
        return self._drivers[sdk]
