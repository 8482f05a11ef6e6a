"""JSON as this door writes it: compact, UTF-8, scores with the digits that a float32 has."""

from __future__ import annotations

import json
from typing import TypeAlias

import numpy as np

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
JsonObject: TypeAlias = "dict[str, object]"
"""An object that a caller sent; its values are not known yet."""

MEDIA_TYPE = "application/json"
LINES = "application/x-ndjson"
EVENTS = "text/event-stream"


def json_bytes(value: Json) -> bytes:
    """The value as UTF-8; raises ValueError for NaN and infinity, which JSON does not have."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def shortest(score: float) -> float:
    """The double whose digits are the fewest that name the score as a float32, which all doors send."""
    return float(str(np.float32(score)))
