"""Another rerankd, called over gRPC."""

from __future__ import annotations

from rerankd import client
from rerankd.backends.base import BackendDescription, ProgressReporter, TextCall, TextScores
from rerankd.backends.remote.failures import unavailable, unusable
from rerankd.backends.remote.parts import PartAnswer, PartedBackend
from rerankd.backends.remote.rerankd_failures import translated
from rerankd.backends.remote.settings import RemoteSettings
from rerankd.core.types import WarmupStage
from rerankd.v1 import rerank_service_pb2 as pb

# What its summary of a ranking begins with when another model than the wanted one made the scores.
_STAND_IN = "FALLBACK:"


class _Options(client.ClientOptions):
    """A client's options, for a channel that repeats nothing: this side counts the repetitions."""

    def channel_arguments(self) -> tuple[tuple[str, str | int], ...]:
        return (*super().channel_arguments(), ("grpc.enable_retries", 0))


class RerankdBackend(PartedBackend):
    """A `TextBackend` for a model of another rerankd."""

    def __init__(self, model_id: str, version: str, settings: RemoteSettings) -> None:
        description = BackendDescription(
            id=model_id,
            revision=version,
            backend="remote",
            provider="rerankd",
            # Whether its model has a place for one is for the other side to say.
            supports_instruction=True,
        )
        super().__init__(description, settings)
        self._client: client.AsyncClient | None = None

    async def start(self, report: ProgressReporter) -> None:
        """Makes ready to call. A server that is not up yet may be up when work comes."""
        address = self.settings.address
        options = _Options(
            token=self.settings.token, tls=client.TLSConfig() if address.scheme == "grpcs" else None
        )
        self._client = client.AsyncClient(address.netloc, options)
        report(WarmupStage.SESSION, 1.0, "the server is called when there is work")

    async def attempt(self, call: TextCall, timeout_seconds: float) -> PartAnswer:
        """One Rerank; see `PartedBackend.attempt`."""
        assert self._client is not None, "start comes first"  # noqa: S101
        try:
            response = await self._client.rerank(
                call.query,
                call.texts,
                timeout_seconds=timeout_seconds,
                model=self.settings.model,
                priority=call.priority.value,
                raw_scores=call.raw_scores,
                instruction=call.instruction,
                long_document=call.long_document.value,
                max_tokens_per_document=call.max_tokens_per_document,
                # Nothing of what the other side may be configured to do instead of scoring.
                max_scored_documents=len(call.texts),
                on_failure="fail",
                on_deadline="fail",
            )
        except client.RerankdError as error:
            raise translated(self.description.id, error, timeout_seconds) from error
        scores = self._read(response, len(call.texts))
        return PartAnswer(scores=scores, model=f"{response.model.id}@{response.model.revision}")

    async def close(self) -> None:
        """Ends calls under way and frees the connection."""
        if self._client is not None:
            await self._client.close()

    def _read(self, response: pb.RerankResponse, count: int) -> TextScores:
        """Scores in the order of the texts; anything else than scores of all of them is an error."""
        if response.outcome != pb.OUTCOME_RERANKED:
            raise unavailable(self.description.id, "it did not score the documents")
        if response.outcome_reason.startswith(_STAND_IN):
            raise unavailable(self.description.id, "another of its models had to stand in")
        by_index = {result.index: result for result in response.results}
        if len(response.results) != count or set(by_index) != set(range(count)):
            raise unusable(self.description.id, "its ranking has other documents than were sent")
        results = [by_index[index] for index in range(count)]
        if not all(result.scored for result in results):
            raise unavailable(self.description.id, "it left documents unscored")
        passages = [(r.passage.start_char, r.passage.end_char) for r in results if r.HasField("passage")]
        return TextScores(
            scores=[result.score for result in results],
            tokens=response.usage.tokens,
            units=response.usage.provider_units,
            units_estimated=response.usage.provider_units_estimated,
            cost_usd=response.usage.provider_cost,
            dropped_tokens=[result.dropped_tokens for result in results],
            passages=passages if len(passages) == count else (),
        )
