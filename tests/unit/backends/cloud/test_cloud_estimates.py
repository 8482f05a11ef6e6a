from __future__ import annotations

import pytest

from rerankd.backends.cloud.estimates import estimate_tokens


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 0), ("a", 1), ("abc", 1), ("abcd", 2), ("你好", 2), ("жа", 2), ("\ud800", 1)]
)
def test_tokens_are_estimated_by_bytes(text: str, tokens: int) -> None:
    assert estimate_tokens(text) == tokens
