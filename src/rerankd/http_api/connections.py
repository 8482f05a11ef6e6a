"""Connections of callers who are slow on purpose."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a connection may take."""

    header_seconds: float = 15.0
    """Until the headers of a request are there."""
    reader_seconds: float = 0.0
    """Until a reader takes some of an answer; 0 = as long as it takes."""


class PatientConfig(uvicorn.Config):
    """Uvicorn's configuration, which is all that its protocols are handed.

    Attributes:
        patience: That of `PatientProtocol`.
    """

    patience = Patience()


class PatientProtocol(H11Protocol):
    """Uvicorn's protocol, whose patience ends.

    Uvicorn itself waits for ever for the first request of a connection, for the rest of headers that have
    begun and for the rest of a body that was answered before its end. Bodies that are wanted have their own
    bound, and a connection that rests between two requests is closed by uvicorn.
    """

    _waiting: asyncio.TimerHandle | None = None
    _writing: asyncio.TimerHandle | None = None

    @property
    def _patience(self) -> Patience:
        return cast("PatientConfig", self.config).patience

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins to wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops waiting."""
        self._stop_waiting()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Waits as long as no request is being answered, from its first byte and not from its last."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()
        elif self.timeout_keep_alive_task is None:
            self._wait()

    def send_400_response(self, msg: str) -> None:
        """Answers what is no HTTP, and lets the call go that it followed: nobody can be answered any more."""
        super().send_400_response(msg)
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    def on_response_complete(self) -> None:
        """From now on uvicorn's own bound on resting connections holds."""
        self._stop_waiting()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """The reader has fallen behind."""
        super().pause_writing()
        if self._patience.reader_seconds and self._writing is None:
            self._writing = self.loop.call_later(self._patience.reader_seconds, self._give_up, "reader")

    def resume_writing(self) -> None:
        """The reader has caught up."""
        super().resume_writing()
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None

    def _wait(self) -> None:
        if self._waiting is None:
            self._waiting = self.loop.call_later(self._patience.header_seconds, self._give_up, "sender")

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _give_up(self, on: str) -> None:
        peer: Any = self.client
        logger.info("connection closed", extra={"slow": on, "peer": str(peer[0]) if peer else ""})
        self.transport.abort()
