"""How much may wait for one model, counted in tokens."""

from __future__ import annotations

from collections.abc import Callable

from rerankd.core.errors import OverloadedError


class Admission:
    """Lets requests in up to a bound. Lives on the event loop.

    Attributes:
        reserved_tokens: Estimates of the requests that are in.
    """

    def __init__(self, max_queued_tokens: int, *, room_in: Callable[[int], float]) -> None:
        """`room_in`: seconds until there should be room, by the tokens that are too many now."""
        self._max_queued_tokens = max_queued_tokens
        self._room_in = room_in
        self.reserved_tokens = 0

    def enter(self, tokens: int) -> None:
        """Reserves tokens until `leave`; 0 for a stream, which its window bounds instead.

        Raises:
            OverloadedError: Too much waits. A request always enters where nothing does, however large it is.
        """
        reserved, limit = self.reserved_tokens, self._max_queued_tokens
        if tokens and reserved and reserved + tokens > limit:
            raise OverloadedError(
                f"{reserved} of at most {limit} tokens wait; retry later",
                metadata={"queued_tokens": str(reserved), "limit": str(limit)},
                retry_after_seconds=self._room_in(reserved + tokens - limit),
            )
        self.reserved_tokens += tokens

    def leave(self, tokens: int) -> None:
        """Gives back what `enter` reserved."""
        self.reserved_tokens -= tokens
