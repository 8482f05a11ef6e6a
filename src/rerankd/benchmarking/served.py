"""A model of a running server, behind its gRPC port."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence

from rerankd.benchmarking.fit import Call
from rerankd.benchmarking.subject import Facts, Packed, SubjectFailedError, computes_in
from rerankd.client import AsyncClient, ClientOptions, RerankdError, RerankResponse


class ServedSubject:
    """One model of one server; made by `open_served`."""

    def __init__(self, client: AsyncClient, model: str, facts: Facts, most_documents: int) -> None:
        self._client = client
        self._model = model
        # Servers keep scores: a second run with the same queries would measure how fast they look them up.
        self._mark = f" {secrets.randbelow(1_000_000)}"
        self.facts = facts
        self.most_documents = most_documents

    @property
    def packed(self) -> Packed:
        """Not known: a server tells no caller what it packs."""
        return Packed(tokens=0, padded=0)

    async def rank(self, query: str, texts: Sequence[str]) -> Call:
        """One unary call."""
        started = time.perf_counter()
        try:
            response = await self._client.rerank(query + self._mark, texts, model=self._model)
        except RerankdError as error:
            raise _failed(error) from error
        return _call(response, time.perf_counter() - started, None)

    async def stream(self, query: str, texts: Sequence[str]) -> Call:
        """One stream."""
        started = time.perf_counter()
        first: float | None = None
        try:
            asked = self._client.rerank_stream(
                query + self._mark, texts, emit="scores", top_n=10, model=self._model
            )
            async with asked as stream:
                async for _ in stream:
                    first = first or time.perf_counter() - started
                response = await stream.summary()
        except RerankdError as error:
            raise _failed(error) from error
        return _call(response, time.perf_counter() - started, first)

    async def close(self) -> None:
        """Ends the connection."""
        await self._client.close()


async def open_served(
    target: str, options: ClientOptions, model: str, *, warm_up: tuple[str, Sequence[str]]
) -> ServedSubject:
    """Asks a server for one of its models, and ranks with it once.

    Raises:
        SubjectFailedError: It is not there, has no such model, or a provider bills for it.
    """
    client = AsyncClient(target, options)
    try:
        status = await client.status()
        wanted = model or status.default_model
        known = next((m for m in status.models if wanted == m.id or wanted in m.aliases), None)
        if known is not None and known.backend == "cloud":
            raise SubjectFailedError(f"{wanted} of {target} is billed by a provider")
        subject = ServedSubject(
            client,
            model,
            Facts(
                where="server",
                model=known.id if known is not None else wanted,
                revision=known.revision if known is not None else "",
                precision=computes_in(known.precision) if known is not None else "",
                provider=known.provider if known is not None else "",
            ),
            status.limits.max_documents,
        )
        await subject.rank(*warm_up)
    except BaseException as error:
        await client.close()
        if isinstance(error, RerankdError):
            raise _failed(error) from error
        raise
    return subject


def _failed(error: RerankdError) -> SubjectFailedError:
    return SubjectFailedError(f"{error.reason or error.code.name}: {error.message}")


def _call(response: RerankResponse, seconds: float, first: float | None) -> Call:
    usage = response.usage
    return Call(seconds=seconds, documents=usage.documents, tokens=usage.tokens, first_score_seconds=first)
