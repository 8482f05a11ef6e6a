"""`rerankd learn corpus` and `mine`."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

import click

from rerankd.cli._failure import Failure
from rerankd.cli._output import print_lines, print_message
from rerankd.cli.learn._service import Place, json_option, place_options, set_option
from rerankd.cli.learn._settings import fill

if TYPE_CHECKING:
    from rerankd.training.v1alpha import training_service_pb2 as pb

_BATCH_BYTES = 1024 * 1024
_SPLITS = ("train", "dev", "test")


@click.group()
def corpus() -> None:
    """Named collections: documents, queries, judgments."""


@corpus.command(name="import")
@click.argument("corpus_id")
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--replace", is_flag=True, help="Replace a corpus of this name.")
@json_option
@place_options
def import_(*, place: Place, corpus_id: str, directory: Path, replace: bool, as_json: bool) -> None:
    """Make a corpus of DIRECTORY in BEIR layout.

    It holds corpus.jsonl, queries.jsonl (or either with .gz) and qrels/train.tsv, dev.tsv, test.tsv, of which
    only those that are there are read.
    """
    with place.service() as service:
        messages = _messages(corpus_id, directory, replace=replace)
        _print_report(service.call("ImportCorpus", messages, timeout=None).report, as_json=as_json)


@corpus.command(name="from-feedback")
@click.argument("corpus_id")
@click.option("--replace", is_flag=True, help="Replace a corpus of this name.")
@json_option
@place_options
def from_feedback(*, place: Place, corpus_id: str, replace: bool, as_json: bool) -> None:
    """Make a corpus of what the feedback log holds of it."""
    from rerankd.training.v1alpha import training_service_pb2 as pb

    request = pb.CreateCorpusFromFeedbackRequest(corpus_id=corpus_id, replace=replace)
    with place.service() as service:
        answer = service.call("CreateCorpusFromFeedback", request, timeout=None)
    _print_report(answer.report, as_json=as_json)


@corpus.command(name="list")
@json_option
@place_options
def list_(*, place: Place, as_json: bool) -> None:
    """Print the corpora in numbers."""
    from rerankd.training.v1alpha import training_service_pb2 as pb

    request = pb.ListCorporaRequest()
    with place.service() as service:
        while True:
            answer = service.call("ListCorpora", request, timeout=None)
            for found in answer.corpora:
                if as_json:
                    print_message(found)
                else:
                    print_lines([(found.id, f"{found.documents} documents", f"{found.queries} queries")])
            if not answer.next_page_token:
                return
            request.page_token = answer.next_page_token


@corpus.command()
@click.argument("corpus_id")
@place_options
def delete(*, place: Place, corpus_id: str) -> None:
    """Remove a corpus and its training groups."""
    from rerankd.training.v1alpha import training_service_pb2 as pb

    with place.service() as service:
        service.call("DeleteCorpus", pb.DeleteCorpusRequest(corpus_id=corpus_id))
    click.echo(f"{corpus_id} is gone")


@click.command()
@click.argument("corpus_id")
@set_option
@json_option
@place_options
def mine(*, place: Place, corpus_id: str, pairs: tuple[str, ...], as_json: bool) -> None:
    """Make the training groups of a corpus from feedback and judgments."""
    from rerankd.training.v1alpha import settings_pb2
    from rerankd.training.v1alpha import training_service_pb2 as pb

    request = pb.MineTripletsRequest(corpus_id=corpus_id, settings=fill(settings_pb2.MiningSettings(), pairs))
    with place.service() as service:
        statistics = service.call("MineTriplets", request, timeout=None).statistics
    if as_json:
        print_message(statistics)
        return
    click.echo(
        f"{statistics.groups} groups of {statistics.queries} queries: {statistics.pairs} pairs, "
        f"{statistics.triplets} triplets"
    )
    print_lines([("negatives", name, count) for name, count in sorted(statistics.negatives.items())])
    print_lines([("left out", name, count) for name, count in sorted(statistics.dropped.items())])


def _print_report(report: pb.ImportReport, *, as_json: bool) -> None:
    if as_json:
        print_message(report)
        return
    click.echo(f"{report.documents} documents, {report.queries} queries, {report.judgments} judgments")
    print_lines([("left out", name, count) for name, count in sorted(report.dropped.items())])


def _messages(corpus_id: str, directory: Path, *, replace: bool) -> Iterator[pb.ImportCorpusRequest]:
    """The records of a directory, about a mebibyte in a message."""
    from rerankd.training.v1alpha import training_service_pb2 as pb

    yield pb.ImportCorpusRequest(start=pb.ImportCorpusStart(corpus_id=corpus_id, replace=replace))
    message, size = pb.ImportCorpusRequest(), 0
    for record in _records(directory):
        message.records.MergeFrom(record)
        size += record.ByteSize()
        if size >= _BATCH_BYTES:
            yield message
            message, size = pb.ImportCorpusRequest(), 0
    if size:
        yield message


def _records(directory: Path) -> Iterator[pb.CorpusRecords]:
    from rerankd.training.v1alpha import training_service_pb2 as pb

    for row in _rows(directory, "corpus"):
        document = pb.CorpusDocument(
            id=_id(row), title=str(row.get("title") or ""), text=str(row.get("text") or "")
        )
        yield pb.CorpusRecords(documents=[document])
    for row in _rows(directory, "queries"):
        yield pb.CorpusRecords(queries=[pb.CorpusQuery(id=_id(row), text=str(row.get("text") or ""))])
    for name in _SPLITS:
        path = directory / "qrels" / f"{name}.tsv"
        if path.is_file():
            yield from _judgments(path, name)


def _judgments(path: Path, split: str) -> Iterator[pb.CorpusRecords]:
    from rerankd.training.v1alpha import settings_pb2
    from rerankd.training.v1alpha import training_service_pb2 as pb

    number_of = cast("Any", settings_pb2.Split).Value(f"SPLIT_{split.upper()}")
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE), 1):
            try:
                query_id, document_id, score = row
                judgment = pb.Judgment(
                    split=number_of, query_id=query_id, document_id=document_id, score=int(float(score))
                )
            except ValueError as error:
                if number == 1:
                    continue  # the header
                raise Failure(f"{path}: line {number} is no judgment") from error
            yield pb.CorpusRecords(judgments=[judgment])


def _rows(directory: Path, stem: str) -> Iterator[dict[str, Any]]:
    plain, packed = directory / f"{stem}.jsonl", directory / f"{stem}.jsonl.gz"
    if not plain.is_file() and not packed.is_file():
        raise Failure(f"{directory} has neither {plain.name} nor {packed.name}")
    path = plain if plain.is_file() else packed
    file: TextIO
    with gzip.open(path, "rt", encoding="utf-8") if path is packed else path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                row = json.loads(line)
            except ValueError as error:
                raise Failure(f"{path}: line {number} is not JSON") from error
            if isinstance(row, dict):
                yield row


def _id(row: dict[str, Any]) -> str:
    return str(row.get("_id", row.get("id", "")))
