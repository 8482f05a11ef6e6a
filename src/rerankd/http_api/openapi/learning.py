"""What the document says of `/reranker/*`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from rerankd.config.training import EvaluationConfig, MiningConfig, RunConfig
from rerankd.config.types import Section
from rerankd.core import errors
from rerankd.http_api.dialects.native import NATIVE
from rerankd.http_api.failures import BodyTooLargeError, UnsupportedMediaError
from rerankd.http_api.json_text import EVENTS, LINES, MEDIA_TYPE, Json
from rerankd.http_api.learning.answers import name_of
from rerankd.http_api.learning.arguments import OTHER_NAMES
from rerankd.http_api.openapi.document import response_of
from rerankd.http_api.openapi.schemas import (
    ANYTHING,
    INTEGER,
    NUMBER,
    TEXT,
    Schema,
    list_of,
    nullable,
    record,
    reference,
)
from rerankd.messages.learning.settings import word_of
from rerankd.training.v1alpha import training_service_pb2 as pb

_HEARD: tuple[type[errors.RerankdError], ...] = (
    errors.InvalidRequestError,
    BodyTooLargeError,
    UnsupportedMediaError,
    errors.UnauthenticatedError,
    errors.ForbiddenError,
    errors.ModelNotFoundError,
    errors.ModelFailedError,
    *errors.LEARNING_ERRORS,
    errors.DrainingError,
    errors.InternalError,
)
_FLAG: Schema = {"type": "boolean"}
_OK: Mapping[str, Schema] = {"ok": _FLAG}
_REALS = {FieldDescriptor.TYPE_FLOAT, FieldDescriptor.TYPE_DOUBLE}
_MESSAGES: Mapping[str, Schema] = {
    Timestamp.DESCRIPTOR.full_name: {"type": "string", "format": "date-time"},
    Duration.DESCRIPTOR.full_name: NUMBER,
    Struct.DESCRIPTOR.full_name: ANYTHING,
}
_WRITE = "; needs `authorization: Bearer TOKEN`"


def learning_paths() -> dict[str, Json]:
    """Path to path item."""
    paths: dict[str, dict[str, Json]] = {}
    for key, (summary, body, answer) in _table().items():
        method, path = key.split()
        name = re.sub(r"\W+", "_", f"{method}{path.removeprefix('/reranker')}").strip("_").lower()
        operation: dict[str, Json] = {
            "operationId": f"learning_{name}",
            "summary": summary,
            "tags": ["learning"],
            "parameters": _parameters(path, body if method == "GET" else {}),
            "responses": {"200": response_of("What came of it.", answer), **_failures()},
        }
        if method in ("POST", "PUT"):
            operation["requestBody"] = _body(body, lines=method == "PUT")
        paths.setdefault(path, {})[method.lower()] = operation
    return cast("dict[str, Json]", paths)


def plain_schema(message: Descriptor) -> Schema:
    """A message as plain JSON tells it."""
    return record({name_of(field): _field(field) for field in message.fields})


Row = tuple[str, Mapping[str, Schema], Mapping[str, Schema]]
"""Summary, fields of the query or the body, and media type to schema of the answer."""


def _table() -> dict[str, Row]:
    return {**_model_rows(), **_feedback_rows(), **_corpus_rows(), **_run_rows()}


def _model_rows() -> dict[str, Row]:
    corpus = {"corpus_id": TEXT, "repo_id": TEXT}
    report = _json(pb.EvaluateResponse.DESCRIPTOR, _OK)
    page: Mapping[str, Schema] = {"text/html": TEXT}
    status = {"enabled": _FLAG, "mode": TEXT, "model": TEXT, "model_state": TEXT, "revision": TEXT}
    score = {"query": TEXT, "document": TEXT, "model": TEXT, **corpus, "mode": TEXT, "include_logits": _FLAG}
    scored = {**_OK, "score": NUMBER, "model": TEXT, "revision": TEXT, "logit": NUMBER, "yes_logit": NUMBER}
    return {
        "GET /reranker/status": (
            "Mode, model, and what there is to learn from",
            {"with_feedback": _FLAG},
            _json(pb.GetLearningStatusResponse.DESCRIPTOR, status),
        ),
        "GET /reranker/info": ("How the model in use is run, and the settings of learning", {}, _any()),
        "POST /reranker/evaluate": (
            f"Judges models on a corpus{_WRITE}",
            {**corpus, "models": list_of(TEXT, most=8), **_settings(EvaluationConfig)},
            {**report, **page},
        ),
        "GET /reranker/evaluate/{corpus_id}/report": (f"The last evaluation as a page{_WRITE}", {}, page),
        "POST /reranker/rollback": (
            f"Serves the revision before{_WRITE}",
            corpus,
            _json(pb.ServedModel.DESCRIPTOR, _OK),
        ),
        "POST /reranker/score": ("The score of one pair", score, {MEDIA_TYPE: record(scored)}),
    }


def _feedback_rows() -> dict[str, Row]:
    corpus = {"corpus_id": TEXT, "repo_id": TEXT}
    click = {"event_id": TEXT, "request_id": TEXT, "doc_id": TEXT, "rank": INTEGER, "note": TEXT, **corpus}
    kept = _json(pb.RecordFeedbackResponse.DESCRIPTOR, _OK)
    gone = _json(pb.PurgeFeedbackResponse.DESCRIPTOR, _OK)
    lists = {name: list_of(TEXT) for name in ("event_ids", "request_ids", "document_ids", "queries")}
    events = list_of({**ANYTHING, "description": "A FeedbackEvent in protobuf JSON."}, most=1000)
    counted = _json(pb.FeedbackStatistics.DESCRIPTOR, {"count": INTEGER})
    return {
        "POST /reranker/feedback": (
            f"Keeps what was shown, clicked or rated{_WRITE}",
            {"events": events, "signal": TEXT, **click},
            kept,
        ),
        "POST /reranker/click": (f"Keeps one click{_WRITE}", click, kept),
        "POST /reranker/feedback/purge": (
            f"Forgets events{_WRITE}",
            {**lists, "everything": _FLAG, **corpus},
            gone,
        ),
        "GET /reranker/logs": (f"The last events{_WRITE}", {**corpus, "limit": INTEGER}, _any()),
        "GET /reranker/logs/count": ("The log in numbers", corpus, counted),
        "GET /reranker/logs/download": (f"The log{_WRITE}", {"corpus_id": TEXT}, {LINES: TEXT}),
        "POST /reranker/logs/clear": (f"Forgets everything{_WRITE}", corpus, gone),
        "GET /reranker/nohits": (f"Queries without a click{_WRITE}", corpus, _any()),
    }


def _corpus_rows() -> dict[str, Row]:
    corpus = {"corpus_id": TEXT, "repo_id": TEXT}
    imported = _json(pb.ImportReport.DESCRIPTOR, {"corpus_id": TEXT})
    mined = _json(pb.MiningStatistics.DESCRIPTOR, {**_OK, "corpus_id": TEXT})
    return {
        "GET /reranker/corpora": ("Corpora in numbers", {}, _any()),
        "PUT /reranker/corpora/{corpus_id}": (f"Imports a corpus{_WRITE}", {}, imported),
        "DELETE /reranker/corpora/{corpus_id}": (f"Removes a corpus{_WRITE}", {}, _any()),
        "POST /reranker/corpora/{corpus_id}/from-feedback": (
            f"Makes a corpus of the log{_WRITE}",
            {"replace": _FLAG},
            imported,
        ),
        "GET /reranker/train/profile": (
            "A corpus in numbers, and the metric that suits it",
            corpus,
            _json(pb.Corpus.DESCRIPTOR),
        ),
        "POST /reranker/mine": (
            f"Makes training groups{_WRITE}",
            {**corpus, **_settings(MiningConfig)},
            mined,
        ),
        "GET /reranker/triplets/count": (
            "How many triplets a corpus has",
            corpus,
            {MEDIA_TYPE: record({"count": INTEGER})},
        ),
        "GET /reranker/triplets/{corpus_id}": (f"Its first groups{_WRITE}", {"limit": INTEGER}, _any()),
    }


def _run_rows() -> dict[str, Row]:
    corpus = {"corpus_id": TEXT, "repo_id": TEXT}
    run = _json(pb.TrainingRun.DESCRIPTOR, {**_OK, "run_id": TEXT, "status": TEXT})
    train: Row = (f"Starts a run{_WRITE}", {**corpus, **_settings(RunConfig)}, run)
    path = "/reranker/train/run/{run_id}"
    compared = {"compatible": _FLAG, "reason": TEXT}
    events: Mapping[str, Schema] = {EVENTS: TEXT}
    return {
        "POST /reranker/train": train,
        "POST /reranker/train/start": train,
        "POST /reranker/stop": (f"Ends the run of a corpus{_WRITE}", corpus, _any()),
        "GET /reranker/train/runs": ("Runs", {**corpus, "limit": INTEGER}, _any()),
        "POST /reranker/train/diff": (
            "Two runs compared",
            {"baseline_run_id": TEXT, "current_run_id": TEXT},
            _json(pb.CompareTrainingRunsResponse.DESCRIPTOR, compared),
        ),
        "GET /reranker/train/run/stream": ("Events of a run", {"run_id": TEXT, "after": INTEGER}, events),
        f"GET {path}": ("A run", {}, run),
        f"GET {path}/metrics": (
            "Events of a run, as a list or as they come",
            {"after": INTEGER, "limit": INTEGER},
            {**_any(), **events},
        ),
        f"POST {path}/cancel": (f"Ends a run{_WRITE}", {}, run),
        f"POST {path}/resume": (f"Goes on with a run{_WRITE}", {}, run),
        f"POST {path}/promote": (
            f"Lets its model serve if it is better{_WRITE}",
            {"force_reason": TEXT},
            _json(pb.PromoteTrainingRunResponse.DESCRIPTOR, {**_OK, "run_id": TEXT}),
        ),
        f"POST {path}/shadow": (
            f"Lets its model score live requests as well{_WRITE}",
            {"shadow_fraction": NUMBER, "shadow_requests": INTEGER},
            _shadow(),
        ),
        "GET /reranker/shadow": ("What the last shadow of a corpus has seen", corpus, _shadow()),
        "GET /reranker/costs": ("What runs have cost", corpus, _any()),
    }


def _json(message: Descriptor, more: Mapping[str, Schema] | None = None) -> Mapping[str, Schema]:
    told = plain_schema(message)
    told["properties"] = {**dict(more or {}), **cast("dict[str, Json]", told["properties"])}
    return {MEDIA_TYPE: told}


def _shadow() -> Mapping[str, Schema]:
    return {MEDIA_TYPE: record({"shadow": nullable(plain_schema(pb.ShadowReport.DESCRIPTOR))})}


def _any() -> Mapping[str, Schema]:
    return {MEDIA_TYPE: ANYTHING}


def _settings(section: type[Section]) -> dict[str, Schema]:
    """The fields of a section, by all of their names."""
    fields = cast("dict[str, Schema]", section.model_json_schema()["properties"])
    told = {
        name: {key: value for key, value in schema.items() if key not in ("title", "default")}
        for name, schema in fields.items()
    }
    return told | {other: told[ours] for other, ours in OTHER_NAMES.items() if ours in told}


def _field(field: FieldDescriptor) -> Schema:
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        return {"type": "object", "additionalProperties": _single(kind.fields_by_name["value"])}
    schema = _single(field)
    return list_of(schema) if field.is_repeated else schema


def _single(field: FieldDescriptor) -> Schema:
    if field.enum_type is not None:
        words: list[Json] = [word_of(field.enum_type, value.number) for value in field.enum_type.values]
        return {"type": "string", "enum": words}
    if field.message_type is not None:
        return _MESSAGES.get(field.message_type.full_name) or plain_schema(field.message_type)
    if field.type == FieldDescriptor.TYPE_STRING:
        return TEXT
    if field.type == FieldDescriptor.TYPE_BOOL:
        return _FLAG
    return NUMBER if field.type in _REALS else INTEGER


def _parameters(path: str, query: Mapping[str, Schema]) -> list[Json]:
    in_path: list[Json] = [
        {"name": name, "in": "path", "required": True, "schema": TEXT}
        for name in re.findall(r"{(\w+)}", path)
    ]
    in_query: list[Json] = [{"name": name, "in": "query", "schema": schema} for name, schema in query.items()]
    return [*in_path, *in_query]


def _body(fields: Mapping[str, Schema], *, lines: bool) -> Json:
    if lines:
        told = "Lines of JSON, each an object with one of `document`, `query` and `judgment`."
        return {"required": True, "content": {LINES: {"schema": {**TEXT, "description": told}}}}
    schema = record(fields, closed=True)
    return {"required": bool(fields), "content": {MEDIA_TYPE: {"schema": schema}}}


def _failures() -> dict[str, Json]:
    told: dict[int, dict[str, None]] = {}
    for kind in _HEARD:
        error: errors.RerankdError = kind("")
        told.setdefault(NATIVE.status(error), {})[error.spec.reason] = None
    return {
        str(status): response_of(f"{', '.join(reasons)}.", {MEDIA_TYPE: reference("NativeError")})
        for status, reasons in sorted(told.items())
    }
