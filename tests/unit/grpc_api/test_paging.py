"""Pages: everything once, whatever their size, and what is added or gone meanwhile."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerankd.core.errors import InvalidRequestError
from rerankd.grpc_api.training.paging import page


@given(st.lists(st.text(min_size=1), unique=True), st.integers(1, 5))
def test_pages_have_everything_once(names: list[str], size: int) -> None:
    found: list[str] = []
    token = ""
    while True:
        items, token = page(names, str, size=size, token=token)
        found += items
        assert len(items) <= size
        if not token:
            break
    assert found == names


def test_what_is_added_before_does_not_repeat_anything() -> None:
    items, token = page(["c", "b", "a"], str, size=2, token="")
    assert items == ["c", "b"]
    assert page(["d", "c", "b", "a"], str, size=2, token=token) == (["a"], "")


@pytest.mark.parametrize(("size", "token"), [(-1, ""), (1001, ""), (1, "???"), (1, "eA==")])
def test_what_is_no_page_is_refused(size: int, token: str) -> None:
    with pytest.raises(InvalidRequestError):
        page(["a"], str, size=size, token=token)
