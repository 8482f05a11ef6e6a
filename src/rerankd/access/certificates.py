"""The server's certificate: read, checked, and replaced while the server runs."""

from __future__ import annotations

import logging
import math
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rerankd.access.expiry import first_not_after, not_after
from rerankd.access.watching import signature_of

logger = logging.getLogger(__name__)

_SOON = timedelta(days=14)
"""Certificates that renew themselves are renewed earlier: somebody has to look."""

_ATTEMPTS = 3
"""A certificate and its key are two files: whoever replaces them does so one after the other."""


class CertificateError(Exception):
    """The files cannot be used; one sentence for the operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFiles:
    """Where they are."""

    certificate: Path
    key: Path
    client_ca: Path | None = None
    require_client_certificate: bool = True

    @property
    def paths(self) -> tuple[Path, ...]:
        """All of them."""
        return tuple(filter(None, (self.certificate, self.key, self.client_ca)))

    @property
    def asks_clients(self) -> bool:
        """Whether a client has to show a certificate."""
        return self.client_ca is not None and self.require_client_certificate


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What the files held when they fitted together."""

    certificate: bytes
    key: bytes = field(repr=False)
    client_ca: bytes | None = None
    context: ssl.SSLContext = field(repr=False, compare=False)
    """For servers that are built on Python's own TLS."""
    ends: Mapping[str, datetime | None] = field(default_factory=dict, compare=False)
    """When the certificate, and the first of the client authorities, expire; None = it cannot be told."""


class Certificates:
    """The material in force. `current` may be read by any thread."""

    def __init__(self, files: CertificateFiles) -> None:
        """Reads it for the first time.

        Raises:
            CertificateError: It cannot be read, or does not fit together.
        """
        self.files = files
        self.current = _read(files)

    def reload(self) -> bool:
        """Reads the files again; what cannot be used leaves the old in force and is logged. May block.

        Returns whether anything changed.
        """
        try:
            material = _read(self.files)
        except CertificateError as error:
            logger.error("certificate not reloaded; the old one stays good", extra={"problem": str(error)})
            return False
        if material == self.current:
            return False
        self.current = material
        logger.info("certificate reloaded", extra={"certificate": str(self.files.certificate)})
        self.tell_expiry()
        return True

    def tell_expiry(self) -> None:
        """Writes when the certificate and the client authorities end into the log; a warning where soon."""
        for file, end in self.current.ends.items():
            if end is None:
                logger.warning("the end of a certificate cannot be told", extra={"file": file})
                continue
            soon = end - datetime.now(UTC) < _SOON
            level = logging.WARNING if soon else logging.INFO
            logger.log(level, "certificate in force", extra={"file": file, "not_after": end.isoformat()})

    def seconds_left(self) -> Mapping[str, float]:
        """Seconds until each file of `ends` expires, below 0 for one that has; NaN = it cannot be told."""
        now = datetime.now(UTC)
        return {
            file: (end - now).total_seconds() if end is not None else math.nan
            for file, end in self.current.ends.items()
        }

    def context(self) -> ssl.SSLContext:
        """A context for a listener: each handshake uses what is in force when it begins."""
        front = _context(self.files)

        def choose(connection: ssl.SSLObject, _name: str | None, _front: ssl.SSLContext) -> None:
            # Called for each ClientHello, with a name or without.
            connection.context = self.current.context

        front.sni_callback = choose
        return front


def _read(files: CertificateFiles) -> Material:
    for _ in range(_ATTEMPTS):
        before = [signature_of(path) for path in files.paths]
        material = Material(
            certificate=_bytes(files.certificate, "certificate"),
            key=_bytes(files.key, "key"),
            client_ca=_bytes(files.client_ca, "client_ca") if files.client_ca is not None else None,
            context=_context(files),
            ends=_ends(files),
        )
        if before == [signature_of(path) for path in files.paths]:
            return material
    raise CertificateError("the files of tls change faster than they can be read")


def _ends(files: CertificateFiles) -> dict[str, datetime | None]:
    ends = {"certificate": not_after(files.certificate, files.key)}
    if files.client_ca is not None:
        ends["client_ca"] = first_not_after(files.client_ca)
    return ends


def _context(files: CertificateFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # Without an answer OpenSSL would ask for the password of an encrypted key on the terminal.
        context.load_cert_chain(files.certificate, files.key, password=lambda: "")
    except (ssl.SSLError, OSError) as error:
        raise CertificateError(
            f"tls.certificate {files.certificate} and tls.key {files.key}: {_why(error)}"
        ) from error
    if files.client_ca is not None:
        try:
            context.load_verify_locations(files.client_ca)
        except (ssl.SSLError, OSError) as error:
            raise CertificateError(f"tls.client_ca {files.client_ca}: {_why(error)}") from error
        context.verify_mode = ssl.CERT_REQUIRED if files.require_client_certificate else ssl.CERT_OPTIONAL
    return context


def _why(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        known = {
            "KEY_VALUES_MISMATCH": "the key does not belong to the certificate",
            "NO_CERTIFICATE_OR_CRL_FOUND": "no certificate in it",
        }
        return known.get(error.reason or "", "not a PEM certificate and its unencrypted key")
    return error.strerror or str(error)


def _bytes(path: Path, name: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CertificateError(f"tls.{name} {path}: {error.strerror or error}") from error
