"""The keys that are good now, with what each has used."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from rerankd.access.key_file import KeyRecord, digest_of, read_key_file
from rerankd.access.operations import Scope
from rerankd.core.quota import Quota

logger = logging.getLogger(__name__)

_BUCKET = 8
"""Digits of a digest by which keys are looked up. Time may tell them: they say nothing of the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key as the doors know it."""

    name: str
    scopes: frozenset[Scope]
    models: tuple[str, ...] | None = None
    quota: Quota | None = None


class Keyring:
    """The keys of a file. Lives on the event loop; `read` may block and runs elsewhere."""

    def __init__(self, path: Path) -> None:
        """Holds no key before `adopt`."""
        self.path = path
        self._records: Mapping[str, KeyRecord] = {}
        self._quotas: dict[str, Quota] = {}
        self._buckets: dict[str, list[tuple[str, Key]]] = {}
        self._listeners: list[Callable[[Collection[str]], None]] = []

    def on_change(self, listener: Callable[[Collection[str]], None]) -> None:
        """Calls `listener` with the names of the keys, now and whenever they change."""
        self._listeners.append(listener)
        listener(self._records.keys())

    def read(self) -> Mapping[str, KeyRecord]:
        """What the file says now; raises KeyFileError where it says nothing that can be used."""
        return read_key_file(self.path)

    def adopt(self, records: Mapping[str, KeyRecord]) -> None:
        """Makes these the keys. A key that keeps its name keeps what it has used."""
        if records == self._records:
            return
        quotas: dict[str, Quota] = {}
        buckets: dict[str, list[tuple[str, Key]]] = {}
        for name, record in records.items():
            if quota := self._quota_of(name, record):
                quotas[name] = quota
            key = Key(name=name, scopes=frozenset(record.scopes), models=record.models, quota=quota)
            buckets.setdefault(record.sha256[:_BUCKET], []).append((record.sha256, key))
        self._quotas, self._buckets = quotas, buckets
        added, removed = set(records).difference(self._records), set(self._records).difference(records)
        self._records = records
        for listener in self._listeners:
            listener(records.keys())
        logger.info(
            "keys read", extra={"keys": len(records), "added": sorted(added), "removed": sorted(removed)}
        )

    def find(self, token: str) -> Key | None:
        """The key that a caller has shown, compared in constant time."""
        digest = digest_of(token)
        found = None
        for known, key in self._buckets.get(digest[:_BUCKET], ()):
            if hmac.compare_digest(known, digest):
                found = key
        return found

    def _quota_of(self, name: str, record: KeyRecord) -> Quota | None:
        if not (record.tokens_per_minute or record.concurrent_tokens):
            return None
        quota = self._quotas.get(name)
        if quota is None:
            return Quota(
                name,
                tokens_per_minute=record.tokens_per_minute,
                concurrent_tokens=record.concurrent_tokens,
            )
        quota.adjust(tokens_per_minute=record.tokens_per_minute, concurrent_tokens=record.concurrent_tokens)
        return quota
