"""Who may come in: certificates and keys."""

from __future__ import annotations

from pydantic import model_validator

from rerankd.config.types import HomePath, Section


class TlsConfig(Section):
    """Encryption of both doors. Changed files are taken over while the server runs."""

    certificate: HomePath | None = None
    """PEM file with the server's certificate and those of the authorities between it and a root. Without it
    both doors speak plain text."""
    key: HomePath | None = None
    """PEM file with the certificate's private key, not encrypted."""
    client_ca: HomePath | None = None
    """PEM file with the authorities whose clients may connect (mutual TLS); without it any client may."""
    require_client_certificate: bool = True
    """With `client_ca`: false lets clients without a certificate in as well, so that only keys tell who
    calls. gRPC then asks for none, HTTP checks those that are shown."""

    @model_validator(mode="after")
    def _agree(self) -> TlsConfig:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("tls.certificate and tls.key belong together; set both or neither")
        if self.client_ca is not None and self.certificate is None:
            raise ValueError("tls.client_ca needs tls.certificate and tls.key")
        return self


class AuthConfig(Section):
    """Keys of callers; docs/security.md tells the file's format."""

    keys_file: HomePath | None = None
    """TOML or JSON file of keys, as `rerankd keys generate` prints its lines. Changes hold at once. Without
    it everybody may rerank."""
    open_health: bool = True
    """Whether health is told without a key: gRPC health, /health, /ping. Probes of Kubernetes have none."""
    open_reflection: bool = True
    """Whether the contract is told without a key: gRPC reflection, /openapi.json."""
    open_metrics: bool = True
    """Whether /metrics is told without a key; any key opens it otherwise."""
