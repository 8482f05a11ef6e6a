"""From the sections `auth` and `tls` of a configuration to what the doors need."""

from __future__ import annotations

import asyncio
import logging
import stat
from collections.abc import Callable, Collection, Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path

from rerankd.access.access import Access
from rerankd.access.certificates import CertificateFiles, Certificates
from rerankd.access.key_file import KeyFileError
from rerankd.access.keyring import Keyring
from rerankd.access.operations import Page
from rerankd.access.watching import FileWatch, Watched
from rerankd.config import Config

logger = logging.getLogger(__name__)


class Gatekeeping:
    """Keys and certificates of one server, and the watch over their files.

    Attributes:
        access: Decides about calls.
        certificates: What TLS shows; None = plain text.
    """

    def __init__(self, config: Config) -> None:
        """Reads everything for the first time.

        Raises:
            KeyFileError: The key file cannot be used.
            CertificateError: The certificate cannot be used.
        """
        self._config = config
        self._keyring = Keyring(config.auth.keys_file) if config.auth.keys_file is not None else None
        if self._keyring is not None:
            self._keyring.adopt(self._keyring.read())
        self.access = Access(self._keyring, config.admin.token, open_pages=_open_pages(config))
        self.certificates = _certificates(config)
        self._watch = FileWatch(self._watched(), config.server.reload_seconds)

    def start(self) -> None:
        """Begins to watch the files, and says what stands open."""
        for warning in self.warnings():
            logger.warning(warning)
        if self.certificates is not None:
            self.certificates.tell_expiry()
        self._watch.start()

    def on_keys(self, listener: Callable[[Collection[str]], None]) -> None:
        """Calls `listener` with the names of the keys, now and whenever they change; never without a file."""
        if self._keyring is not None:
            self._keyring.on_change(listener)

    def seconds_left(self) -> Mapping[str, float]:
        """Seconds until each file of TLS that is there expires."""
        return self.certificates.seconds_left() if self.certificates is not None else {}

    def reload_soon(self) -> None:
        """Reads keys and certificates again; for a handler of signals, which cannot wait."""
        self._watch.look_now()

    async def close(self) -> None:
        """Ends the watch."""
        await self._watch.close()

    def warnings(self) -> Iterator[str]:
        """What an operator should know who opens this server to others than this machine."""
        if self._keyring is not None and may_be_written_by_anybody(self._keyring.path):
            yield f"{self._keyring.path} can be written by anybody on this machine, who so makes keys"
        if is_loopback(self._config.host):
            return
        mutual = self.certificates is not None and self.certificates.files.asks_clients
        if self.access.is_open and not mutual:
            yield (
                f"OPEN SERVER: {self._config.host} is reachable from outside and anybody may rerank; set "
                "auth.keys_file, or tls.client_ca, unless a proxy in front decides who may"
            )
        if not self.access.is_open and self.certificates is None:
            yield (
                f"keys travel to {self._config.host} in plain text; set tls.certificate and tls.key unless a "
                "proxy in front speaks TLS"
            )

    def _watched(self) -> Iterator[Watched]:
        if self._keyring is not None:
            yield Watched(paths=(self._keyring.path,), reload=self._reload_keys)
        if self.certificates is not None:
            yield Watched(paths=self.certificates.files.paths, reload=self._reload_certificates)

    async def _reload_keys(self) -> None:
        assert self._keyring is not None  # noqa: S101 - watched only then
        try:
            records = await asyncio.to_thread(self._keyring.read)
        except KeyFileError as error:
            logger.error("keys not reloaded; the old ones stay good", extra={"problem": str(error)})
            return
        self._keyring.adopt(records)

    async def _reload_certificates(self) -> None:
        assert self.certificates is not None  # noqa: S101 - watched only then
        await asyncio.to_thread(self.certificates.reload)


def may_be_written_by_anybody(path: Path) -> bool:
    """Whether the rights of a file let other users than its owner's group change it."""
    return bool(path.stat().st_mode & stat.S_IWOTH)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens there."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _open_pages(config: Config) -> frozenset[Page]:
    auth = config.auth
    choices = {
        Page.HEALTH: auth.open_health,
        Page.REFLECTION: auth.open_reflection,
        Page.METRICS: auth.open_metrics,
    }
    return frozenset(page for page, is_open in choices.items() if is_open)


def _certificates(config: Config) -> Certificates | None:
    tls = config.tls
    if tls.certificate is None or tls.key is None:
        return None
    return Certificates(
        CertificateFiles(
            certificate=tls.certificate,
            key=tls.key,
            client_ca=tls.client_ca,
            require_client_certificate=tls.require_client_certificate,
        )
    )
