"""How an operator wants another server to be called."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

# RFC 6750, section 2.1: nothing else goes into the header.
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteSettings:
    """One model that another server scores for."""

    url: str = field(repr=False)
    """`http(s)://…` takes `{"pairs": [[query, document], …]}` and returns `{"scores": […]}`;
    `grpc(s)://host:port` is another rerankd."""
    model: str = ""
    """Model to ask the other rerankd for; empty = its default."""
    token: str | None = field(default=None, repr=False)
    """Sent as `authorization: Bearer …`."""
    timeout_seconds: float = 10.0
    """Longest time of one call."""
    retries: int = 2
    """How often a call is repeated that failed for want of the server."""
    max_concurrency: int = 16
    """Calls under way at once; more wait."""
    max_documents: int = 256
    """Documents of one call; larger sets are split."""

    def __post_init__(self) -> None:
        """Refuses what cannot work.

        Raises:
            ValueError: The address or the token is none, or a number is out of bounds.
        """
        parts = self.address
        if parts.scheme not in {"http", "https", "grpc", "grpcs"} or not parts.hostname:
            raise ValueError("url must begin with http://, https://, grpc:// or grpcs:// and a host")
        if parts.username is not None:
            raise ValueError("url must not hold a user; give a token instead")
        if self.is_rerankd and (parts.port is None or parts.path.strip("/") or parts.query or parts.fragment):
            raise ValueError("url of another rerankd must be grpc(s)://host:port and no more")
        if self.model and not self.is_rerankd:
            raise ValueError(
                "model is for another rerankd (grpc:// or grpcs://); an HTTP server has one model"
            )
        if self.token is not None and not _TOKEN.fullmatch(self.token):
            raise ValueError("token must be letters, digits and `._~+/-`, with `=` at its end only")
        if self.timeout_seconds <= 0:
            raise ValueError(f"timeout_seconds is {self.timeout_seconds}; it must be above 0")
        for name, least in (("retries", 0), ("max_concurrency", 1), ("max_documents", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be {least} or more")

    @property
    def address(self) -> SplitResult:
        """The parts of the url."""
        parts = urlsplit(self.url)
        try:
            _ = parts.port
        except ValueError:
            raise ValueError("url has a port that is no number from 0 to 65535") from None
        return parts

    @property
    def is_rerankd(self) -> bool:
        """Whether it is another rerankd."""
        return self.address.scheme in {"grpc", "grpcs"}
