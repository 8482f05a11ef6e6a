"""`rerankd learn feedback`."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from rerankd.cli._failure import Failure
from rerankd.cli._output import print_message
from rerankd.cli.learn._service import Place, json_option, place_options

if TYPE_CHECKING:
    from rerankd.training.v1alpha import training_service_pb2 as pb

_BATCH = 500


@click.group()
def feedback() -> None:
    """What was shown, clicked and rated."""


@feedback.command(name="send")
@click.argument("file", type=click.File(encoding="utf-8"), default="-")
@json_option
@place_options
def send(*, place: Place, file: IO[str], as_json: bool) -> None:
    """Keep the events of FILE (or of stdin), one JSON object a line.

    Each is a FeedbackEvent in protobuf JSON, for example
    {"requestId": "r1", "corpusId": "docs", "click": {"documentId": "d7"}}.
    """
    from rerankd.training.v1alpha import training_service_pb2 as pb

    kept = duplicates = 0
    with place.service() as service:
        for events in _batches(file):
            answer = service.call("RecordFeedback", pb.RecordFeedbackRequest(events=events))
            kept, duplicates = kept + len(answer.event_ids), duplicates + len(answer.duplicate_event_ids)
    if as_json:
        click.echo(json.dumps({"kept": kept, "duplicates": duplicates}))
    else:
        click.echo(f"{kept} events kept, {duplicates} were known already")


@feedback.command(name="click")
@click.argument("corpus")
@click.argument("request_id")
@click.argument("document_id")
@click.option("--rank", type=click.IntRange(min=0), default=0, help="Where it was shown, from 1.")
@place_options
def click_(*, place: Place, corpus: str, request_id: str, document_id: str, rank: int) -> None:
    """Keep a click on DOCUMENT_ID among the results of REQUEST_ID."""
    from rerankd.training.v1alpha import training_service_pb2 as pb

    event = pb.FeedbackEvent(
        event_id=uuid.uuid4().hex,
        request_id=request_id,
        corpus_id=corpus,
        click=pb.Click(document_id=document_id, rank=rank),
    )
    with place.service() as service:
        service.call("RecordFeedback", pb.RecordFeedbackRequest(events=[event]))
    click.echo("kept")


@feedback.command()
@click.option("--corpus", default="", help="Only events of this corpus.")
@click.option("--event", "events", multiple=True, help="An event. May repeat.")
@click.option("--request", "requests", multiple=True, help="Everything of a request. May repeat.")
@click.option("--document", "documents", multiple=True, help="A document. May repeat.")
@click.option("--query", "queries", multiple=True, help="Everything that asked this. May repeat.")
@click.option("--everything", is_flag=True, help="All of it.")
@place_options
def purge(
    *,
    place: Place,
    corpus: str,
    events: tuple[str, ...],
    requests: tuple[str, ...],
    documents: tuple[str, ...],
    queries: tuple[str, ...],
    everything: bool,
) -> None:
    """Forget events for good."""
    from rerankd.training.v1alpha import training_service_pb2 as pb

    request = pb.PurgeFeedbackRequest(
        corpus_id=corpus,
        event_ids=events,
        request_ids=requests,
        document_ids=documents,
        queries=queries,
        everything=everything,
    )
    with place.service() as service:
        answer = service.call("PurgeFeedback", request, timeout=None)
    click.echo(f"{answer.purged_events} events are gone, {answer.redacted_events} lists lost a document")


@feedback.command()
@place_options
def show(*, place: Place) -> None:
    """Print the log in numbers."""
    from rerankd.training.v1alpha import training_service_pb2 as pb

    with place.service() as service:
        answer = service.call("GetLearningStatus", pb.GetLearningStatusRequest(with_feedback=True))
    print_message(answer.feedback)


def _batches(file: IO[str]) -> Iterator[list[pb.FeedbackEvent]]:
    from google.protobuf.json_format import Parse, ParseError

    from rerankd.training.v1alpha import training_service_pb2 as pb

    batch: list[pb.FeedbackEvent] = []
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            batch.append(Parse(line, pb.FeedbackEvent()))
        except ParseError as error:
            raise Failure(f"{Path(file.name).name}: line {number} is no FeedbackEvent: {error}") from error
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
