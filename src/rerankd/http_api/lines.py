"""Newline-delimited JSON as it arrives: the start of a stream, then its documents."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from rerankd.core.errors import InvalidRequestError, StreamProtocolError
from rerankd.core.stream_events import Chunk, StreamRequest
from rerankd.http_api.bodies import object_of
from rerankd.http_api.dialects.native import documents_from
from rerankd.http_api.failures import BodyTooLargeError
from rerankd.http_api.json_text import JsonObject
from rerankd.messages.convert import stream_request_from
from rerankd.messages.json_messages import message_from
from rerankd.messages.stream_input import SLICE, indexes_of
from rerankd.v1 import rerank_service_pb2 as pb


class JsonLines:
    """The lines of a body; holds no more of it than one part and one line."""

    def __init__(self, parts: AsyncIterator[bytes], max_line_bytes: int) -> None:
        self._parts = parts
        self._limit = max_line_bytes
        self._rest: list[bytes] = []
        """Pieces of the line that has not ended."""
        self._rest_bytes = 0
        self._ready: list[bytes] = []
        self._count = 0

    async def start(self) -> StreamRequest:
        """What the first line says.

        Raises:
            StreamProtocolError: There is none.
            InvalidRequestError: It is not the JSON of a RerankStreamStart.
        """
        while not self._ready:
            if not await self._receive():
                raise StreamProtocolError("the stream ended before its start", field="start")
        return stream_request_from(message_from(self._object(self._ready.pop(0)), pb.RerankStreamStart()))

    async def chunks(self) -> AsyncIterator[Chunk]:
        """The documents of the other lines, together as they came; reads on only when asked.

        Raises:
            InvalidRequestError: A line is neither a Document nor a DocumentChunk.
            BodyTooLargeError: A line is above the limit.
        """
        following = 0
        while self._ready or await self._receive():
            lines, self._ready = self._ready, []
            for documents, given in _gathered([self._object(line) for line in lines]):
                indexes = indexes_of(given, len(documents), following)
                following = indexes[-1] + 1 if indexes else following
                for begin in range(0, len(indexes), SLICE):
                    part = indexes[begin : begin + SLICE]
                    yield Chunk(
                        indexes=part, documents=documents_from(documents[begin : begin + SLICE], part)
                    )

    async def _receive(self) -> bool:
        """Takes the next part of the body; False at its end."""
        async for part in self._parts:
            *ended, rest = part.split(b"\n")
            for piece in ended:
                self._keep(piece)
                self._end_line()
            self._keep(rest)
            return True
        if not self._rest:
            return False
        self._end_line()
        return bool(self._ready)

    def _keep(self, piece: bytes) -> None:
        self._rest_bytes += len(piece)
        if self._rest_bytes > self._limit:
            raise BodyTooLargeError(
                f"a line has more than {self._limit} bytes; send fewer documents in a line",
                metadata={"limit": str(self._limit)},
            )
        if piece:
            self._rest.append(piece)

    def _end_line(self) -> None:
        line = b"".join(self._rest)
        self._rest.clear()
        self._rest_bytes = 0
        if line.strip():
            self._ready.append(line)

    def _object(self, line: bytes) -> JsonObject:
        self._count += 1
        try:
            return object_of(line)
        except InvalidRequestError as error:
            raise InvalidRequestError(f"line {self._count} of the body: {error.message}") from None


def _gathered(lines: Sequence[JsonObject]) -> list[tuple[list[object], list[int]]]:
    """Documents with the indexes that they were given; neighbours that are alone in a line come together."""
    gathered: list[tuple[list[object], list[int]]] = []
    alone: list[object] | None = None
    for line in lines:
        if "documents" not in line:
            if alone is None:
                alone = []
                gathered.append((alone, []))
            alone.append(line)
            continue
        alone = None
        gathered.append(_chunk(line))
    return gathered


def _chunk(line: JsonObject) -> tuple[list[object], list[int]]:
    documents, given = line["documents"], line.get("index")
    if given is None:
        given = []
    if not isinstance(documents, list):
        raise InvalidRequestError("documents must be a list", field="documents")
    if not isinstance(given, list) or not all(type(index) is int for index in given):
        raise InvalidRequestError("index must be a list of whole numbers", field="index")
    for name in line:
        if name not in ("documents", "index"):
            raise InvalidRequestError(f"{name[:64]} is no field of a chunk", field=name[:64])
    return documents, given
