"""When two queries of the log are the same, and what a hashed log has in place of one."""

from __future__ import annotations

import hashlib
import hmac
import unicodedata

_PREFIX = "hmac-sha256:"


def same_query(text: str) -> str:
    """What two queries share that differ in case, white space or Unicode form alone."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def digest_of(query: str, key: bytes) -> str:
    """A digest that cannot be guessed by trying likely queries, unless the key is known too."""
    return _PREFIX + hmac.new(key, same_query(query).encode(), hashlib.sha256).hexdigest()
