"""Certificates of authorities that live as long as a test."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")

_KEY = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A certificate and its key, as files."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates for this machine."""

    def __init__(self, folder: Path, name: str, *, days: int = 2) -> None:
        self.folder = folder
        self.name = name
        self.pair = Pair(certificate=folder / f"{name}.pem", key=folder / f"{name}.key")
        _openssl(
            f"req -x509 {_KEY} -days {days} -subj /CN={name} "
            f"-keyout {self.pair.key} -out {self.pair.certificate}"
        )

    @property
    def certificate(self) -> Path:
        """What clients and servers trust."""
        return self.pair.certificate

    def expire(self) -> None:
        """Makes its own certificate one of yesterday."""
        own = self.pair
        _openssl(f"x509 -in {own.certificate} -signkey {own.key} -days -1 -out {own.certificate}.old")
        Path(f"{own.certificate}.old").replace(own.certificate)

    def sign(self, name: str) -> Pair:
        """A certificate for localhost, good for servers and clients."""
        stem = self.folder / f"{self.name}-{name}"
        pair = Pair(certificate=stem.with_suffix(".pem"), key=stem.with_suffix(".key"))
        request, extensions = stem.with_suffix(".csr"), stem.with_suffix(".ext")
        extensions.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        _openssl(f"req {_KEY} -subj /CN={name} -keyout {pair.key} -out {request}")
        _openssl(
            f"x509 -req -in {request} -CA {self.pair.certificate} -CAkey {self.pair.key} -CAcreateserial "
            f"-days 2 -out {pair.certificate} -extfile {extensions}"
        )
        return pair


def _openssl(arguments: str) -> None:
    subprocess.run(["openssl", *arguments.split()], check=True, capture_output=True)
