"""Messages as plain JSON: names with underscores, numbers as numbers, times in ISO 8601, spans in seconds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from rerankd.http_api.json_text import Json
from rerankd.messages.learning.settings import word_of
from rerankd.training.v1alpha import training_service_pb2 as pb

JsonDict = dict[str, Json]


def plain(message: Message) -> JsonDict:
    """A message; fields that are always there are always told, others only where they are set."""
    told: JsonDict = {}
    for field in message.DESCRIPTOR.fields:
        if field.has_presence and not message.HasField(field.name):
            continue
        told[name_of(field)] = _value(field, getattr(message, field.name))
    return told


def name_of(field: Any) -> str:
    """How plain JSON calls a field: a span of time says its unit."""
    kind = field.message_type
    if kind is None or kind.full_name != Duration.DESCRIPTOR.full_name:
        return str(field.name)
    stem = field.name.removesuffix("duration").rstrip("_")
    return f"{stem}_seconds" if stem else "seconds"


def run_json(run: pb.TrainingRun) -> JsonDict:
    """A run, also by the names that tribrid has for its fields."""
    told = plain(run)
    return {
        **told,
        "run_id": run.id,
        "status": told["state"],
        "started_at": told.get("start_time"),
        "completed_at": told.get("end_time"),
        "config_snapshot": told.get("settings"),
        "metric_profile": told.get("dataset"),
        "metrics_available": run.HasField("summary"),
    }


def event_json(event: pb.TrainingEvent) -> JsonDict:
    """An event of a run, also by tribrid's names."""
    told = plain(event)
    return {
        **told,
        "ts": told.get("event_time"),
        "loss": event.metrics.get("loss"),
        "lr": event.metrics.get("learning_rate"),
        "grad_norm": event.metrics.get("grad_norm"),
    }


def _value(field: Any, value: Any) -> Json:
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        inner = kind.fields_by_name["value"]
        return {str(key): _single(inner, item) for key, item in cast("Mapping[str, Any]", value).items()}
    if field.is_repeated:
        return [_single(field, item) for item in value]
    return _single(field, value)


def _single(field: Any, value: Any) -> Json:
    if field.enum_type is not None:
        return word_of(field.enum_type, value)
    if isinstance(value, Duration):
        return value.ToNanoseconds() / 1e9
    if isinstance(value, Timestamp):
        return value.ToJsonString()
    if isinstance(value, Struct):
        return cast("Json", MessageToDict(value))
    if isinstance(value, Message):
        return plain(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return cast("Json", value)
