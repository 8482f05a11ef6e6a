"""`rerankd.training.v1alpha.TrainingService`: one method for each RPC, which parses, calls and renders."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, Final

import grpc.aio
from google.longrunning import operations_pb2

from rerankd.config.changes import changed
from rerankd.core.errors import InvalidRequestError
from rerankd.grpc_api.training.operations import operation_from
from rerankd.grpc_api.training.paging import page
from rerankd.messages.learning import corpora, feedback, records, reports, runs
from rerankd.messages.learning.settings import changes_of, settings_from
from rerankd.training.service import Learning
from rerankd.training.spool import Spool
from rerankd.training.v1alpha import training_service_pb2 as pb
from rerankd.training.v1alpha.training_service_pb2_grpc import TrainingServiceServicer

Context = grpc.aio.ServicerContext[Any, Any]

SERVICE: Final = "rerankd.training.v1alpha.TrainingService"
_MOST_MODELS = 8


class TrainingService(TrainingServiceServicer):
    """The learning reranker as an RPC service; who may call is decided before a call comes here."""

    def __init__(self, learning: Learning) -> None:
        self._learning = learning

    async def RecordFeedback(  # noqa: N802
        self, request: pb.RecordFeedbackRequest, context: Context
    ) -> pb.RecordFeedbackResponse:
        """Keeps events."""
        return feedback.recorded(await self._learning.record(feedback.events_from(request.events)))

    async def PurgeFeedback(  # noqa: N802
        self, request: pb.PurgeFeedbackRequest, context: Context
    ) -> pb.PurgeFeedbackResponse:
        """Forgets events."""
        return feedback.purged(await self._learning.purge(feedback.purge_from(request)))

    async def ImportCorpus(  # noqa: N802
        self, request_iterator: AsyncIterator[pb.ImportCorpusRequest], context: Context
    ) -> pb.ImportCorpusResponse:
        """Makes a corpus of a stream of records."""
        start = records.start_from(await anext(aiter(request_iterator), None))
        with await asyncio.to_thread(Spool, self._learning.directory) as spool:
            async for message in request_iterator:
                await asyncio.to_thread(spool.add, list(records.records_from(message)))
            report = await self._learning.make_corpus(
                lambda store: spool.create(store, start.corpus_id, replace=start.replace)
            )
        return pb.ImportCorpusResponse(report=corpora.imported(report))

    async def CreateCorpusFromFeedback(  # noqa: N802
        self, request: pb.CreateCorpusFromFeedbackRequest, context: Context
    ) -> pb.CreateCorpusFromFeedbackResponse:
        """Makes a corpus of the log."""
        report = await self._learning.corpus_from_feedback(request.corpus_id, replace=request.replace)
        return pb.CreateCorpusFromFeedbackResponse(report=corpora.imported(report))

    async def ListCorpora(  # noqa: N802
        self, request: pb.ListCorporaRequest, context: Context
    ) -> pb.ListCorporaResponse:
        """A page of corpora."""
        names = await self._learning.corpora()
        found, token = page(names, str, size=request.page_size, token=request.page_token)
        profiles = [await self._learning.profile(name) for name in found]
        return pb.ListCorporaResponse(
            corpora=[corpora.corpus_from(profile) for profile in profiles], next_page_token=token
        )

    async def DeleteCorpus(  # noqa: N802
        self, request: pb.DeleteCorpusRequest, context: Context
    ) -> pb.DeleteCorpusResponse:
        """Removes a corpus."""
        await self._learning.delete_corpus(request.corpus_id)
        return pb.DeleteCorpusResponse()

    async def MineTriplets(  # noqa: N802
        self, request: pb.MineTripletsRequest, context: Context
    ) -> pb.MineTripletsResponse:
        """Makes training groups."""
        config = settings_from(request.settings, self._learning.config.mining)
        statistics = await self._learning.mine(request.corpus_id, config)
        return pb.MineTripletsResponse(statistics=corpora.mined(statistics))

    async def CreateTrainingRun(  # noqa: N802
        self, request: pb.CreateTrainingRunRequest, context: Context
    ) -> operations_pb2.Operation:
        """Starts a run."""
        config = settings_from(request.settings, self._learning.config.run)
        return operation_from(await self._learning.train(request.corpus_id, config))

    async def GetTrainingRun(  # noqa: N802
        self, request: pb.GetTrainingRunRequest, context: Context
    ) -> pb.GetTrainingRunResponse:
        """A run."""
        return pb.GetTrainingRunResponse(run=runs.run_from(await self._learning.run(request.run_id)))

    async def ListTrainingRuns(  # noqa: N802
        self, request: pb.ListTrainingRunsRequest, context: Context
    ) -> pb.ListTrainingRunsResponse:
        """A page of runs."""
        infos = await self._learning.runs(request.corpus_id)
        found, token = page(infos, lambda info: info.id, size=request.page_size, token=request.page_token)
        return pb.ListTrainingRunsResponse(
            runs=[runs.run_from(info) for info in found], next_page_token=token
        )

    async def WatchTrainingRun(  # noqa: N802
        self, request: pb.WatchTrainingRunRequest, context: Context
    ) -> AsyncIterator[pb.WatchTrainingRunResponse]:
        """Events of a run, old and new."""
        if request.after_sequence < 0:
            raise InvalidRequestError("after_sequence must be 0 or more", field="after_sequence")
        async with aclosing(self._learning.watch(request.run_id, request.after_sequence)) as events:
            async for event in events:
                yield pb.WatchTrainingRunResponse(event=runs.event_from(event))

    async def CompareTrainingRuns(  # noqa: N802
        self, request: pb.CompareTrainingRunsRequest, context: Context
    ) -> pb.CompareTrainingRunsResponse:
        """Two runs side by side."""
        return runs.compared(await self._learning.compare(request.baseline_run_id, request.current_run_id))

    async def CancelTrainingRun(  # noqa: N802
        self, request: pb.CancelTrainingRunRequest, context: Context
    ) -> pb.CancelTrainingRunResponse:
        """Ends a run."""
        return pb.CancelTrainingRunResponse(run=runs.run_from(await self._learning.cancel(request.run_id)))

    async def ResumeTrainingRun(  # noqa: N802
        self, request: pb.ResumeTrainingRunRequest, context: Context
    ) -> pb.ResumeTrainingRunResponse:
        """Goes on with a run."""
        return pb.ResumeTrainingRunResponse(run=runs.run_from(await self._learning.resume(request.run_id)))

    async def Evaluate(  # noqa: N802
        self, request: pb.EvaluateRequest, context: Context
    ) -> pb.EvaluateResponse:
        """Judges models."""
        if len(request.models) > _MOST_MODELS:
            raise InvalidRequestError(
                f"{len(request.models)} models; at most {_MOST_MODELS} are judged at a time", field="models"
            )
        config = settings_from(request.settings, self._learning.config.evaluation)
        return reports.report_from(
            await self._learning.evaluate(request.corpus_id, list(request.models), config)
        )

    async def PromoteTrainingRun(  # noqa: N802
        self, request: pb.PromoteTrainingRunRequest, context: Context
    ) -> pb.PromoteTrainingRunResponse:
        """Lets the model of a run serve."""
        promoted = await self._learning.promote(request.run_id, force=request.force_reason)
        return reports.promoted_from(promoted)

    async def RollbackModel(  # noqa: N802
        self, request: pb.RollbackModelRequest, context: Context
    ) -> pb.RollbackModelResponse:
        """Lets the revision before serve."""
        current = await self._learning.rollback(request.corpus_id)
        return pb.RollbackModelResponse(model=reports.served_from(request.corpus_id, current))

    async def StartShadow(  # noqa: N802
        self, request: pb.StartShadowRequest, context: Context
    ) -> pb.StartShadowResponse:
        """Lets the model of a run score along."""
        changes = changes_of(request)
        changes.pop("run_id", None)
        config = changed(self._learning.config.promotion, changes)
        report = await self._learning.start_shadow(request.run_id, config)
        return pb.StartShadowResponse(report=reports.shadow_from(report))

    async def GetShadow(  # noqa: N802
        self, request: pb.GetShadowRequest, context: Context
    ) -> pb.GetShadowResponse:
        """What the last shadow has seen."""
        return pb.GetShadowResponse(report=reports.shadow_from(self._learning.shadow(request.corpus_id)))

    async def GetLearningStatus(  # noqa: N802
        self, request: pb.GetLearningStatusRequest, context: Context
    ) -> pb.GetLearningStatusResponse:
        """What there is."""
        return await reports.status_of(self._learning, with_feedback=request.with_feedback)
