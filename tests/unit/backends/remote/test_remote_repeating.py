from __future__ import annotations

import asyncio

import pytest

from rerankd.backends.remote import repeating
from rerankd.backends.remote.repeating import NotNowError, repeatedly
from rerankd.core.errors import BackendFailedError, ProviderUnavailableError


class Attempts:
    """Fails so often, then succeeds; notes what it is given."""

    def __init__(self, failures: int, *, wait_seconds: float | None = None) -> None:
        self.failures, self.wait_seconds = failures, wait_seconds
        self.timeouts: list[float] = []

    async def __call__(self, timeout_seconds: float) -> str:
        self.timeouts.append(timeout_seconds)
        if len(self.timeouts) <= self.failures:
            error = ProviderUnavailableError("away", retry_after_seconds=self.wait_seconds)
            raise NotNowError(error) from OSError("refused")
        return "scores"


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeating, "_FIRST_PAUSE_SECONDS", 0.0)


def deadline(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


@pytest.mark.parametrize("failures", [0, 1, 3])
async def test_an_attempt_is_repeated_until_it_succeeds(failures: int) -> None:
    attempts = Attempts(failures)
    assert await repeatedly(attempts, retries=3, longest_seconds=5.0, deadline=deadline(60)) == "scores"
    assert attempts.timeouts == [5.0] * (failures + 1)


async def test_it_gives_up_with_the_last_failure_and_its_cause() -> None:
    attempts = Attempts(9)
    with pytest.raises(ProviderUnavailableError, match="away") as caught:
        await repeatedly(attempts, retries=2, longest_seconds=5.0, deadline=deadline(60))
    assert len(attempts.timeouts) == 3
    assert isinstance(caught.value.__cause__, OSError)


async def test_an_attempt_has_no_more_than_what_is_left() -> None:
    attempts = Attempts(0)
    await repeatedly(attempts, retries=0, longest_seconds=50.0, deadline=deadline(10))
    assert 0 < attempts.timeouts[0] <= 10.0


async def test_it_does_not_wait_beyond_the_deadline() -> None:
    attempts = Attempts(9, wait_seconds=3600.0)
    with pytest.raises(ProviderUnavailableError) as caught:
        await repeatedly(attempts, retries=5, longest_seconds=5.0, deadline=deadline(60))
    assert len(attempts.timeouts) == 1
    assert caught.value.retry_after_seconds == 3600.0


async def test_other_failures_are_final() -> None:
    calls = 0

    async def fail(timeout_seconds: float) -> None:
        nonlocal calls
        calls += 1
        raise BackendFailedError("nonsense")

    with pytest.raises(BackendFailedError):
        await repeatedly(fail, retries=5, longest_seconds=5.0, deadline=deadline(60))
    assert calls == 1


def test_pauses_grow_differ_and_respect_what_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeating, "_FIRST_PAUSE_SECONDS", 0.1)
    first = [repeating._pause(0, None) for _ in range(50)]
    assert 0.05 <= min(first) < max(first) <= 0.1
    assert 0.2 <= repeating._pause(2, None) <= 0.4
    assert repeating._pause(60, None) <= 5.0
    assert repeating._pause(0, 2.0) >= 2.0
