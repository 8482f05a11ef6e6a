"""Which kind of run a model's requests get."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field

from rerankd.core.delegation import DelegatedRun
from rerankd.core.limits import Limits
from rerankd.core.loaded import DelegatedModel, LocalModel
from rerankd.core.memory import MemoryCeiling
from rerankd.core.reranking import RerankingPolicy
from rerankd.core.run import Run
from rerankd.core.score_cache import ScoreCache
from rerankd.core.scoring import ScoringRun
from rerankd.core.telemetry import Telemetry
from rerankd.core.types import Options, Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """Makes runs; holds what all of them share."""

    limits: Limits
    tokenizers: Executor
    cache: ScoreCache | None = None
    telemetry: Telemetry = field(default_factory=Telemetry)
    memory: MemoryCeiling = field(default_factory=lambda: MemoryCeiling(0))

    def new(
        self,
        model: LocalModel | DelegatedModel,
        query: str,
        options: Options,
        policy: RerankingPolicy,
        on_result: Callable[[Result], None],
        *,
        whole: bool,
        use_cache: bool = True,
    ) -> Run:
        """A run that hands its results to `on_result`.

        `whole`: all documents come in one `add`. Only local models' scores are kept in the cache: of the
        others nobody can say when they change.
        """
        if isinstance(model, DelegatedModel):
            return DelegatedRun(
                model,
                query,
                options,
                limits=self.limits,
                policy=policy,
                on_result=on_result,
                whole=whole,
                telemetry=self.telemetry,
            )
        return ScoringRun(
            model,
            query,
            options,
            limits=self.limits,
            policy=policy,
            tokenizers=self.tokenizers,
            on_result=on_result,
            whole=whole,
            telemetry=self.telemetry,
            cache=self.cache if use_cache else None,
        )
