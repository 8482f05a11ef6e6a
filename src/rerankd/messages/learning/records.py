"""Records of a corpus that is imported."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from rerankd.core.errors import InvalidRequestError, StreamProtocolError
from rerankd.messages.learning.corpora import SPLIT
from rerankd.messages.learning.settings import word_of
from rerankd.training.corpora import CorpusDocument, CorpusQuery, Judgment
from rerankd.training.corpora.records import Split
from rerankd.training.v1alpha import training_service_pb2 as pb


def start_from(message: pb.ImportCorpusRequest | None) -> pb.ImportCorpusStart:
    """What the first message of an import says.

    Raises:
        StreamProtocolError: It says something else, or there is none.
    """
    if message is None or message.WhichOneof("message") != "start":
        raise StreamProtocolError("the first message of an import must be `start`")
    return message.start


def records_from(message: pb.ImportCorpusRequest) -> Iterator[CorpusDocument | CorpusQuery | Judgment]:
    """The records of a later message.

    Raises:
        StreamProtocolError: It has none of them.
        InvalidRequestError: A split is not known here.
    """
    if message.WhichOneof("message") != "records":
        raise StreamProtocolError("every message of an import after the first must be `records`")
    records = message.records
    for document in records.documents:
        yield CorpusDocument(id=document.id, title=document.title, text=document.text)
    for query in records.queries:
        yield CorpusQuery(id=query.id, text=query.text)
    for number, judgment in enumerate(records.judgments):
        yield Judgment(
            split=_split(judgment.split, f"records.judgments[{number}].split"),
            query_id=judgment.query_id,
            document_id=judgment.document_id,
            score=judgment.score,
        )


def _split(number: int, field: str) -> Split:
    word = word_of(SPLIT, number) if number else "train"
    if not word:
        raise InvalidRequestError(f"{field} is {number}; this server knows TEST, DEV and TRAIN", field=field)
    return cast("Split", word)
