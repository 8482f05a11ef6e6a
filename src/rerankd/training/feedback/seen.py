"""Which events the log has already, in bounded memory."""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b

REMEMBERED = 200_000
"""Ids of the latest events; about 30 MB. A client that repeats a call does so within seconds."""


class SeenIds:
    """The latest ids; an older one is taken for new."""

    def __init__(self, capacity: int = REMEMBERED) -> None:
        self._capacity = capacity
        self._ids: OrderedDict[bytes, None] = OrderedDict()

    def __contains__(self, event_id: str) -> bool:
        return _digest(event_id) in self._ids

    def add(self, event_id: str) -> None:
        """Remembers an id as the latest."""
        self._ids[_digest(event_id)] = None
        if len(self._ids) > self._capacity:
            self._ids.popitem(last=False)


def _digest(event_id: str) -> bytes:
    return blake2b(event_id.encode(), digest_size=16).digest()
