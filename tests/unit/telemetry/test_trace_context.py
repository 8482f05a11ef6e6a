from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerankd.telemetry.trace_context import trace_id_of

ID = "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize(
    "offered", [f"00-{ID}-b7ad6b7169203331-01", f"cc-{ID}-b7ad6b7169203331-00-what-comes"]
)
def test_the_trace_of_the_caller_is_read(offered: str) -> None:
    assert trace_id_of(offered) == ID


@pytest.mark.parametrize(
    "offered",
    [
        None,
        b"00",
        "",
        ID,
        f"ff-{ID}-b7ad6b7169203331-01",
        f"00-{ID}-b7ad6b7169203331-01-more",
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-{ID.upper()}-b7ad6b7169203331-01",
    ],
)
def test_what_is_no_trace_is_none(offered: str | bytes | None) -> None:
    assert trace_id_of(offered) == ""


@given(st.text())
def test_it_takes_any_text(offered: str) -> None:
    assert isinstance(trace_id_of(offered), str)
