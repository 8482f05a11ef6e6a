"""How a client reaches its server."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources

import grpc

from rerankd import __version__

_MIB = 1024 * 1024

ChannelArguments = tuple[tuple[str, str | int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TLSConfig:
    """Keys and certificates, each the content of a PEM file."""

    root_certificates: bytes | None = None
    """Authorities that may have signed the server's certificate; None means those gRPC ships with."""
    client_certificate: bytes | None = None
    """Certificate chain that the client shows, for a server that asks for one."""
    client_private_key: bytes | None = field(default=None, repr=False)
    """Key of that certificate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """Choices of a client; the defaults suit a server in the same network without TLS."""

    timeout_seconds: float = 30.0
    """Deadline of a unary call that names none. Streams and warm-ups have their own rule."""
    tls: TLSConfig | None = None
    """None means plain text."""
    token: str | None = field(default=None, repr=False)
    """Sent as `authorization: Bearer TOKEN` with each call."""
    max_receive_mib: int = 16
    """Largest message that the client takes. gRPC's own default is 4 MiB, which a ranking of many
    returned documents outgrows."""
    keepalive_seconds: float = 0.0
    """Pause between pings on an idle connection; 0 sends none. 60 suits NAT and load balancers that
    drop idle connections. The server cuts off a client that pings more often than every 30 s."""
    resume_attempts: int = 8
    """A stream that was interrupted gives up after so many attempts in a row without a new score; 0
    never resumes."""
    wait_for_ready: bool = False
    """Whether calls wait, up to their deadline, for a server that cannot be reached yet. False fails
    such calls at once, so that the caller can go elsewhere."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Sent with each call; keys in lower case."""

    def call_metadata(self) -> tuple[tuple[str, str], ...]:
        """The metadata of each call, the token included."""
        pairs = tuple(self.metadata.items())
        return pairs if self.token is None else (*pairs, ("authorization", f"Bearer {self.token}"))

    def channel_arguments(self) -> ChannelArguments:
        """The channel's arguments, in gRPC's names."""
        arguments: ChannelArguments = (
            ("grpc.service_config", service_config()),
            ("grpc.primary_user_agent", f"rerankd-python/{__version__}"),
            ("grpc.max_receive_message_length", self.max_receive_mib * _MIB),
            # By default a server that was away is tried again after up to two minutes: longer than a
            # rolling restart leaves its siblings up.
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 5_000),
        )
        if self.keepalive_seconds <= 0:
            return arguments
        return (
            *arguments,
            ("grpc.keepalive_time_ms", round(self.keepalive_seconds * 1000)),
            ("grpc.keepalive_permit_without_calls", 1),
            # gRPC stops after two pings without traffic, and idle connections are what pings are for.
            ("grpc.http2.max_pings_without_data", 0),
        )

    def credentials(self) -> grpc.ChannelCredentials | None:
        """The channel's credentials; None means plain text."""
        if self.tls is None:
            return None
        return grpc.ssl_channel_credentials(
            self.tls.root_certificates, self.tls.client_private_key, self.tls.client_certificate
        )


@functools.cache
def service_config() -> str:
    """The service config that ships with the API: retries, throttling, `round_robin`.

    Its timeouts are left out. gRPC takes the shorter of them and the call's own, so that a caller could
    not ask for more, and this client sets a deadline for each call anyway.
    """
    text = resources.files("rerankd.v1").joinpath("rerankd_grpc_service_config.json").read_text("utf-8")
    config = json.loads(text)
    for method in config["methodConfig"]:
        method.pop("timeout", None)
    return json.dumps(config)
