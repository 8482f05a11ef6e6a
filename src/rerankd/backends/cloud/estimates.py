"""How much of a provider's limit a text takes."""

from __future__ import annotations

_BYTES_PER_TOKEN = 3


def estimate_tokens(text: str) -> int:
    """About how many tokens a text has, rather too many: one for three bytes of UTF-8.

    Bytes and not characters, because a Chinese character is about a token and has three bytes, while an
    English token has four letters or more.
    """
    size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    return -(-size // _BYTES_PER_TOKEN)
