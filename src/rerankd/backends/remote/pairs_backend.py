"""A server that takes pairs over HTTP and gives scores."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx2

from rerankd import __version__
from rerankd.backends.base import BackendDescription, ProgressReporter, TextCall, TextScores
from rerankd.backends.remote.failures import unavailable, unusable
from rerankd.backends.remote.pairs_answer import error_of_status, read_scores, seconds_to_wait
from rerankd.backends.remote.parts import PartAnswer, PartedBackend
from rerankd.backends.remote.repeating import NotNowError
from rerankd.backends.remote.settings import RemoteSettings
from rerankd.core.types import LongDocument, WarmupStage

_ANSWER_BYTES = 1024 * 1024
_ANSWER_BYTES_PER_SCORE = 256
"""A number takes about twenty; a server may tell more than scores."""


class PairsBackend(PartedBackend):
    """A `TextBackend` for a server that takes `{"pairs": …}` and returns `{"scores": …}`."""

    def __init__(self, model_id: str, version: str, settings: RemoteSettings) -> None:
        description = BackendDescription(
            id=model_id,
            revision=version,
            backend="remote",
            provider="http",
            long_documents=(LongDocument.TRUNCATE_END,),
            supports_max_tokens=False,
        )
        super().__init__(description, settings)
        self._client: httpx2.AsyncClient | None = None

    async def start(self, report: ProgressReporter) -> None:
        """Makes ready to call. A server that is not up yet may be up when work comes."""
        headers = {
            "accept": "application/json",
            # What is not packed cannot unpack to more than was counted.
            "accept-encoding": "identity",
            "content-type": "application/json",
            "user-agent": f"rerankd/{__version__}",
        }
        if self.settings.token is not None:
            headers["authorization"] = f"Bearer {self.settings.token}"
        most = self.settings.max_concurrency
        self._client = httpx2.AsyncClient(
            headers=headers,
            # Only the operator says who is called: an answer that points elsewhere is an error.
            follow_redirects=False,
            # A load balancer's cookie would send every later call to the same replica.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            timeout=None,
            limits=httpx2.Limits(max_connections=most, max_keepalive_connections=most),
        )
        report(WarmupStage.SESSION, 1.0, "the server is called when there is work")

    async def attempt(self, call: TextCall, timeout_seconds: float) -> PartAnswer:
        """One POST; see `PartedBackend.attempt`."""
        try:
            async with asyncio.timeout(timeout_seconds):
                # In a thread: megabytes of text take longer than the event loop should be away.
                body = await asyncio.to_thread(_body, call.query, call.texts)
                answer = await self._post(body, len(call.texts))
        except TimeoutError as error:
            raise unavailable(
                self.description.id, f"it gave no answer within {timeout_seconds:.3g} s"
            ) from error
        except httpx2.TransportError as error:
            raise NotNowError(unavailable(self.description.id, "the connection failed")) from error
        except httpx2.HTTPError as error:
            raise unusable(self.description.id, "its answer is no HTTP") from error
        try:
            scores = await asyncio.to_thread(read_scores, answer)
        except ValueError as error:
            raise unusable(self.description.id, str(error)) from error
        if len(scores) != len(call.texts):
            raise unusable(
                self.description.id, f"it gave {len(scores)} scores for {len(call.texts)} documents"
            )
        return PartAnswer(scores=TextScores(scores=scores))

    async def close(self) -> None:
        """Frees the connections."""
        if self._client is not None:
            await self._client.aclose()

    async def _post(self, body: bytes, count: int) -> bytes:
        assert self._client is not None, "start comes first"  # noqa: S101
        async with self._client.stream("POST", self.settings.url, content=body) as response:
            if response.status_code != httpx2.codes.OK:
                wait = seconds_to_wait(response.headers.get("retry-after", ""))
                raise error_of_status(self.description.id, response.status_code, wait)
            return await self._read(response, _ANSWER_BYTES + count * _ANSWER_BYTES_PER_SCORE)

    async def _read(self, response: httpx2.Response, most_bytes: int) -> bytes:
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise unusable(self.description.id, "its answer is compressed, which was not asked for")
        answer = bytearray()
        async for chunk in response.aiter_raw():
            answer += chunk
            if len(answer) > most_bytes:
                raise unusable(self.description.id, f"its answer has more than {most_bytes} bytes")
        return bytes(answer)


def _body(query: str, texts: Sequence[str]) -> bytes:
    # One dump for each text, so that other threads get their turn in between. Escaped to ASCII, a text
    # that is no Unicode, with half a surrogate pair, can be sent as well.
    head = json.dumps(query)
    pairs = ",".join(f"[{head},{json.dumps(text)}]" for text in texts)
    return f'{{"pairs":[{pairs}]}}'.encode("ascii")
