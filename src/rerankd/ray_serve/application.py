"""The application that Serve deploys: our replica behind Serve's gRPC and HTTP proxies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field
from ray import serve

from rerankd.config import load
from rerankd.ray_serve.replica import RerankReplica

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

SERVICERS = (
    "rerankd.v1.rerank_service_pb2_grpc.add_RerankServiceServicer_to_server",
    "grpc_health.v1.health_pb2_grpc.add_HealthServicer_to_server",
)
"""What Serve's gRPC proxy is to be told, as `grpc_options.grpc_servicer_functions`."""

_NAME = "Reranker"


class Arguments(BaseModel):
    """`args` of the application in Serve's configuration."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    config: dict[str, Any] = Field(default_factory=dict)
    """Settings by their dotted keys, as `rerankd config show` lists them; they win over the file."""
    config_file: Path | None = None
    """TOML file with settings."""


def application(args: dict[str, Any]) -> serve.Application:
    """The application; replicas, cores and GPUs are Serve's to configure, under the deployment `Reranker`.

    Args:
        args: What Serve's configuration gives the application; see `Arguments`.

    Raises:
        pydantic.ValidationError: There is none of that name.
        rerankd.config.ConfigError: A setting is unknown or out of its bounds.
    """
    arguments = Arguments.model_validate(args)
    config = load(arguments.config, arguments.config_file)
    replica = serve.ingress(_Door())(RerankReplica)
    deployment = serve.deployment(
        replica, name=_NAME, graceful_shutdown_timeout_s=config.server.grace_seconds
    )
    return deployment.bind(config)


class _Door:
    """The ASGI application of a replica, which is made before the replica is."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands calls to the replica."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        replica: RerankReplica = serve.get_replica_context().servable_object
        await replica.answer_http(scope, receive, send)


async def _live(receive: Receive, send: Send) -> None:
    """Agrees to start and to stop: the replica's own life is Serve's business."""
    while (await receive())["type"] != "lifespan.shutdown":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})
