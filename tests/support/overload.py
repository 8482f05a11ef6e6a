"""A server whose model costs exactly so much, and callers that come however busy it is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import numpy as np
from google.rpc import error_details_pb2
from grpc_status.rpc_status import from_call

from rerankd.backends.base import Float32Array
from rerankd.v1 import rerank_service_pb2 as pb
from rerankd.v1.rerank_service_pb2_grpc import RerankServiceStub
from support.fake_backend import SPECIAL_TOKENS, FakeBackend, Pair
from support.servers import channel_to

QUERY = "alpha beta"
WORDS = 11
TOKENS = SPECIAL_TOKENS + 2 + WORDS
"""Of each pair that `request_of` sends."""
BATCH_TOKENS = 512


class FixedCostBackend(FakeBackend):
    """Takes a second for so many tokens, whatever the machine does meanwhile, and remembers nothing."""

    def __init__(self, tokens_per_second: float) -> None:
        super().__init__(batch_tokens=BATCH_TOKENS)
        self._tokens_per_second = tokens_per_second
        self._free_at = 0.0

    def score(self, pairs: Sequence[Pair], lane: int) -> Float32Array:
        # Counted from when it should have ended the last time: what the machine was late then is made up for,
        # as by a device that has its next work in hand.
        now = time.monotonic()
        begun = self._free_at if now - self._free_at < 0.05 else now
        self._free_at = begun + sum(pair.tokens for pair in pairs) / self._tokens_per_second
        time.sleep(max(0.0, self._free_at - now))
        return np.zeros(len(pairs), dtype=np.float32)


def fixed_cost_program(tokens_per_second: float) -> str:
    """A server with that model, for `ServerProcess`."""
    return f"""
import asyncio, json, sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from rerankd.app import Application
from rerankd.config import load
from rerankd.telemetry import logs
from support.overload import FixedCostBackend
from support.servers import fake_engine
config = load(json.loads(sys.argv[1]))
logs.configure(config.log.level, config.log.format)
backend = FixedCostBackend({tokens_per_second})
asyncio.run(Application(config, fake_engine(backend, config)).serve())
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How one call ended."""

    code: str
    reason: str
    seconds: float
    """From when it was due to be sent."""
    retry_seconds: float | None
    """What RetryInfo says; None = there is none."""
    documents: int
    ended_at: float


def request_of(number: int, documents: int) -> pb.RerankRequest:
    """A call whose texts nobody has sent before."""
    texts = (f"n{number}x{index} {'word ' * (WORDS - 1)}" for index in range(documents))
    return pb.RerankRequest(query=QUERY, documents=[pb.Document(text=text) for text in texts])


async def call(stub: Any, number: int, documents: int, due: float, timeout: float) -> Answer:
    """One call, without retries."""
    code, reason, retry = "OK", "", None
    try:
        answer = await stub.Rerank(request_of(number, documents), timeout=timeout)
        assert len(answer.results) == documents
    except grpc.aio.AioRpcError as error:
        code = error.code().name
        reason, retry = details_of(error)
    now = time.monotonic()
    return Answer(
        code=code, reason=reason, seconds=now - due, retry_seconds=retry, documents=documents, ended_at=now
    )


async def open_loop(
    target: str, *, calls_per_second: float, seconds: float, documents: int, timeout: float, channels: int = 4
) -> list[Answer]:
    """Calls that begin at a fixed rate, whether or not those before them have come back."""
    open_channels = [channel_to(target) for _ in range(channels)]
    stubs: list[Any] = [RerankServiceStub(channel) for channel in open_channels]
    # The first call of a connection pays for it.
    await asyncio.gather(*(call(stub, -1 - n, 1, time.monotonic(), 30.0) for n, stub in enumerate(stubs)))
    started = time.monotonic()
    tasks = []
    for number in range(round(calls_per_second * seconds)):
        due = started + number / calls_per_second
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        tasks.append(asyncio.create_task(call(stubs[number % channels], number, documents, due, timeout)))
    answers = await asyncio.gather(*tasks)
    for channel in open_channels:
        await channel.close()
    return answers


def details_of(error: grpc.aio.AioRpcError) -> tuple[str, float | None]:
    """The reason and the delay that an error tells."""
    status = from_call(error)
    reason, retry = "", None
    for detail in status.details if status is not None else ():
        info, again = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            reason = info.reason
        elif detail.Unpack(again):
            retry = again.retry_delay.ToTimedelta().total_seconds()
    return reason, retry
