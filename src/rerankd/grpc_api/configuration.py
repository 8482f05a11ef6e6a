"""The RPCs that read and change how requests are reranked that do not say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import grpc.aio

from rerankd.access.access import identity
from rerankd.config import RerankingConfig
from rerankd.core.errors import InvalidRequestError
from rerankd.messages import convert
from rerankd.reconfiguration.changes import unknown_field
from rerankd.reconfiguration.reconfiguration import Current, Reconfiguration
from rerankd.v1 import config_service_pb2 as pb
from rerankd.v1 import rerank_service_pb2
from rerankd.v1.config_service_pb2_grpc import ConfigServiceServicer

Context = grpc.aio.ServicerContext[Any, Any]

SERVICE: Final = "rerankd.v1.ConfigService"

_MASKED: Mapping[str, str] = {
    field.name: "timeout_seconds" if field.name == "timeout" else field.name
    for field in pb.RerankingConfig.DESCRIPTOR.fields
}
"""Name in a mask to the name in the configuration."""
_MESSAGE_NAMES = {ours: theirs for theirs, ours in _MASKED.items()}

_MODES = {
    pb.RERANKER_MODE_NONE: "none",
    pb.RERANKER_MODE_LOCAL: "local",
    pb.RERANKER_MODE_LEARNING: "learning",
    pb.RERANKER_MODE_CLOUD: "cloud",
}
_PROVIDERS = {
    pb.CLOUD_PROVIDER_COHERE: "cohere",
    pb.CLOUD_PROVIDER_VOYAGE: "voyage",
    pb.CLOUD_PROVIDER_JINA: "jina",
}
_FAILURE_MODES = {
    rerank_service_pb2.FAILURE_MODE_FAIL: "fail",
    rerank_service_pb2.FAILURE_MODE_ORIGINAL_ORDER: "original_order",
}
_WORDS: Mapping[str, Mapping[Any, str]] = {
    "mode": _MODES,
    "cloud_provider": _PROVIDERS,
    "on_failure": _FAILURE_MODES,
}
"""Enum fields of the message: value to the word of the configuration."""


class ConfigService(ConfigServiceServicer):
    """Reads and changes; who may is decided before a call comes here."""

    def __init__(self, reconfiguration: Reconfiguration) -> None:
        self._reconfiguration = reconfiguration

    async def GetRerankingConfig(  # noqa: N802
        self, request: pb.GetRerankingConfigRequest, context: Context
    ) -> pb.GetRerankingConfigResponse:
        """What holds now."""
        current = self._reconfiguration.current()
        return pb.GetRerankingConfigResponse(
            config=config_from(current.section),
            default_model=current.default_model,
            generation=current.generation,
        )

    async def UpdateRerankingConfig(  # noqa: N802
        self, request: pb.UpdateRerankingConfigRequest, context: Context
    ) -> pb.UpdateRerankingConfigResponse:
        """Changes the fields that the mask names."""
        current: Current = await self._reconfiguration.update(
            changes_from(request.config, request.update_mask.paths),
            actor=identity.get().actor(f"grpc {context.peer()}"),
            persist=request.persist,
            name_of=_named,
        )
        return pb.UpdateRerankingConfigResponse(
            config=config_from(current.section),
            default_model=current.default_model,
            generation=current.generation,
        )


def config_from(section: RerankingConfig) -> pb.RerankingConfig:
    """The section as a message."""
    return pb.RerankingConfig(
        mode=_number(_MODES, section.mode),
        local_model=section.local_model,
        learning_model=section.learning_model,
        cloud_provider=_number(_PROVIDERS, section.cloud_provider),
        cloud_model=section.cloud_model,
        max_scored_documents=section.max_scored_documents,
        cloud_top_n=section.cloud_top_n,
        timeout=convert.duration_from(section.timeout_seconds),
        snippet_chars=section.snippet_chars,
        document_fields=section.document_fields,
        on_failure=_number(_FAILURE_MODES, section.on_failure),
        fallback_models=section.fallback_models,
    )


def changes_from(message: pb.RerankingConfig, paths: Sequence[str]) -> dict[str, object]:
    """The fields that a mask names, with their new values; None for one that goes back to its default.

    Raises:
        InvalidRequestError: The mask is empty or names no field of the message, or an enum has no value
            that is known here.
    """
    if not paths:
        raise InvalidRequestError(
            "update_mask is empty; name at least one field of config, for example mode", field="update_mask"
        )
    return {_MASKED.get(path, path): _value(message, path) for path in paths}


def _value(message: pb.RerankingConfig, path: str) -> object:
    if path not in _MASKED:
        raise unknown_field(path, _MASKED, f"update_mask: {path}", field="update_mask")
    value: Any = getattr(message, path)
    if path == "timeout":
        return convert.seconds_from(value, "config.timeout") if message.HasField("timeout") else None
    if (words := _WORDS.get(path)) is not None:
        return _word(words, value, path)
    # Unset and zero are the same on the wire, and zero or nothing is the default of all of these.
    return value if isinstance(value, str | int) else tuple(value)


def _word(words: Mapping[Any, str], value: int, path: str) -> str:
    if value not in words:
        known = ", ".join(word.upper() for word in words.values())
        raise InvalidRequestError(f"config.{path} must be {known}", field=f"config.{path}")
    return words[value]


def _number(words: Mapping[Any, str], wanted: str) -> Any:
    return next(number for number, word in words.items() if word == wanted)


def _named(field: str) -> str:
    """How the message names a field of the configuration."""
    return f"config.{_MESSAGE_NAMES.get(field, field)}"
