"""MLflow as the store of runs, metrics, artifacts and registered models.

Experiment and registered model of a corpus are both called `learning-<corpus>`. Every method may take
seconds and must not run on an event loop. MLflow is imported by the first call, and tells its makers nothing.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rerankd.core.errors import ProviderUnavailableError, RerankdError, RunNotFoundError
from rerankd.training.layout import Layout

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

CURRENT, PREVIOUS = "current", "previous"
"""Aliases of the registered versions that serve and that served before."""

_RUN_ID = "rerankd.run_id"
_CORPUS_ID = "rerankd.corpus_id"
_PAGE = 1000
_BATCH_METRICS, _BATCH_PARAMS, _PARAM_CHARACTERS = 1000, 100, 500
"""Limits of MLflow's API."""

_ENVIRONMENT = {
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # A server that is down is told of in seconds; whoever calls has its own patience.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedRun:
    """A run as MLflow knows it."""

    run_id: str
    """Ours, not MLflow's."""
    corpus_id: str
    status: str
    """MLflow's word: RUNNING, FINISHED, FAILED, KILLED. A run whose worker died stays RUNNING until it is
    resumed."""
    started: float
    """Seconds since the epoch."""
    ended: float | None
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    """The last value of each, by our names: `ndcg@10`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricValue:
    """A point of a curve."""

    name: str
    value: float
    step: int
    time: float
    """Seconds since the epoch."""


class Tracking:
    """The store at one URI; connects at the first call. Safe from any thread.

    Every method raises ProviderUnavailableError when the store cannot be reached, and those that take a run
    RunNotFoundError when the store does not know it.
    """

    def __init__(self, layout: Layout, uri: str = "") -> None:
        """`uri`: an MLflow server; empty = SQLite and files under the layout's root."""
        self._root = layout.root.absolute()
        self._local = not uri
        self._uri = uri or f"sqlite:///{layout.tracking.absolute()}"
        self._guard = threading.Lock()
        self._client: MlflowClient | None = None
        self._experiments: dict[str, str] = {}
        self._known: dict[str, str] = {}

    def begin(self, corpus_id: str, run_id: str, params: Mapping[str, object]) -> None:
        """Makes a run, or opens it again."""
        with self._store() as client:
            from mlflow.entities import Param

            known = self._find(client, corpus_id, run_id)
            if known is not None:
                client.update_run(known, status="RUNNING")
                return
            tags = {_RUN_ID: run_id, _CORPUS_ID: corpus_id}
            made = client.create_run(self._experiment(client, corpus_id), tags=tags, run_name=run_id)
            self._known[run_id] = made.info.run_id
            values = [Param(name, str(value)[:_PARAM_CHARACTERS]) for name, value in params.items()]
            for start in range(0, len(values), _BATCH_PARAMS):
                client.log_batch(made.info.run_id, params=values[start : start + _BATCH_PARAMS])

    def end(self, corpus_id: str, run_id: str, status: str) -> None:
        """Closes a run: FINISHED, FAILED or KILLED."""
        with self._store() as client:
            client.set_terminated(self._need(client, corpus_id, run_id), status)

    def runs(self, corpus_id: str) -> list[TrackedRun]:
        """The runs of a corpus, the newest first."""
        with self._store() as client:
            experiment = client.get_experiment_by_name(experiment_name(corpus_id))
            if experiment is None:
                return []
            page = client.search_runs([experiment.experiment_id], max_results=_PAGE)
            found: list[Run] = [*page]
            while page.token:
                page = client.search_runs(
                    [experiment.experiment_id], max_results=_PAGE, page_token=page.token
                )
                found += page
            tracked = [_tracked(run) for run in found if _RUN_ID in run.data.tags]
            return sorted(tracked, key=lambda run: run.started, reverse=True)

    def history(self, corpus_id: str, run_id: str, metric: str) -> list[tuple[int, float]]:
        """Steps and values of a metric. A run that was resumed may have a step twice; the last one counts."""
        with self._store() as client:
            values = client.get_metric_history(self._need(client, corpus_id, run_id), _stored_name(metric))
            in_time = sorted(values, key=lambda value: value.timestamp)
            return sorted({value.step: value.value for value in in_time}.items())

    def log_metrics(self, corpus_id: str, run_id: str, metrics: Mapping[str, float], step: int = 0) -> None:
        """Adds values to a run."""
        now = time.time()
        values = [MetricValue(name=name, value=value, step=step, time=now) for name, value in metrics.items()]
        self.log_values(corpus_id, run_id, values)

    def log_values(self, corpus_id: str, run_id: str, values: Sequence[MetricValue]) -> None:
        """Adds points of curves to a run."""
        with self._store() as client:
            from mlflow.entities import Metric

            points = [
                Metric(_stored_name(value.name), value.value, int(value.time * 1000), value.step)
                for value in values
            ]
            target = self._need(client, corpus_id, run_id)
            for start in range(0, len(points), _BATCH_METRICS):
                client.log_batch(target, metrics=points[start : start + _BATCH_METRICS])

    def log_artifact(self, corpus_id: str, run_id: str, path: Path, folder: str = "") -> None:
        """Adds a file or a directory to a run's artifacts."""
        with self._store() as client:
            target = self._need(client, corpus_id, run_id)
            if path.is_dir():
                client.log_artifacts(target, str(path), folder or None)
            else:
                client.log_artifact(target, str(path), folder or None)

    def register(
        self, corpus_id: str, run_id: str, directory: Path, tags: Mapping[str, str] | None = None
    ) -> str:
        """Makes a version of the registered model from a servable directory; gives its number.

        A store on this machine points to the directory, which has to stay; a server gets a copy of its files.
        """
        name = experiment_name(corpus_id)
        with self._store() as client:
            from mlflow.exceptions import MlflowException

            target = self._need(client, corpus_id, run_id)
            source = directory.absolute().as_uri()
            if not self._local:
                client.log_artifacts(target, str(directory), "model")
                source = f"{client.get_run(target).info.artifact_uri}/model"
            # Another version has made it.
            with contextlib.suppress(MlflowException):
                client.create_registered_model(name)
            version = client.create_model_version(name, source, run_id=target, tags=dict(tags or {}))
            return str(version.version)

    def set_alias(self, corpus_id: str, alias: str, version: str) -> None:
        """Points an alias (`current`, `previous`) to a version."""
        with self._store() as client:
            client.set_registered_model_alias(experiment_name(corpus_id), alias, version)

    def version_of(self, corpus_id: str, alias: str) -> str | None:
        """The version that an alias points to."""
        with self._store() as client:
            from mlflow.exceptions import MlflowException

            try:
                found = client.get_model_version_by_alias(experiment_name(corpus_id), alias)
            except MlflowException as error:
                if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                    return None
                raise
            return str(found.version)

    @contextlib.contextmanager
    def _store(self) -> Iterator[MlflowClient]:
        """The client; what the store's libraries raise becomes one error, without the URI and its secrets.

        MLflow may be imported only within it: it reads its environment then, and warns.
        """
        try:
            with self._guard, _known_warnings():
                if self._client is None:
                    self._client = self._connect()
                yield self._client
        except (RerankdError, ImportError):
            raise
        except Exception as error:  # MLflow, SQLAlchemy and requests have no common base.
            raise ProviderUnavailableError(
                f"the store of runs (training.tracking_uri) does not answer: {type(error).__name__}"
            ) from error

    def _connect(self) -> MlflowClient:
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        from mlflow.tracking import MlflowClient

        self._root.mkdir(parents=True, exist_ok=True)
        return MlflowClient(tracking_uri=self._uri, registry_uri=self._uri)

    def _experiment(self, client: MlflowClient, corpus_id: str) -> str:
        name = experiment_name(corpus_id)
        if name not in self._experiments:
            found = client.get_experiment_by_name(name)
            place = (self._root / "mlartifacts" / name).as_uri() if self._local else None
            made = found.experiment_id if found else client.create_experiment(name, artifact_location=place)
            self._experiments[name] = str(made)
        return self._experiments[name]

    def _find(self, client: MlflowClient, corpus_id: str, run_id: str) -> str | None:
        """MLflow's id of a run."""
        if run_id not in self._known:
            experiment = client.get_experiment_by_name(experiment_name(corpus_id))
            if experiment is None:
                return None
            # Our ids hold no quotes: they are made of the corpus' id, which has a pattern.
            wanted = f"tags.`{_RUN_ID}` = '{run_id}'"
            for run in client.search_runs([experiment.experiment_id], wanted, max_results=1):
                self._known[run_id] = run.info.run_id
        return self._known.get(run_id)

    def _need(self, client: MlflowClient, corpus_id: str, run_id: str) -> str:
        found = self._find(client, corpus_id, run_id)
        if found is None:
            raise RunNotFoundError(
                f"the store of runs does not know run {run_id}", field="run_id", metadata={"run": run_id}
            )
        return found


def experiment_name(corpus_id: str) -> str:
    """Of the experiment and of the registered model."""
    return f"learning-{corpus_id}"


def _stored_name(metric: str) -> str:
    # MLflow's names have no @.
    return metric.replace("@", "_at_")


def _own_name(stored: str) -> str:
    return stored.replace("_at_", "@")


def _tracked(run: Run) -> TrackedRun:
    return TrackedRun(
        run_id=run.data.tags[_RUN_ID],
        corpus_id=run.data.tags.get(_CORPUS_ID, ""),
        status=str(run.info.status),
        started=run.info.start_time / 1000,
        ended=run.info.end_time / 1000 if run.info.end_time else None,
        params=dict(run.data.params),
        metrics={_own_name(name): value for name, value in run.data.metrics.items()},
    )


@contextlib.contextmanager
def _known_warnings() -> Iterator[Any]:
    with warnings.catch_warnings():
        # MLflow's models use a loader strategy that SQLAlchemy 2.1 deprecates: theirs to change.
        warnings.filterwarnings("ignore", message="The ``noload`` loader strategy is deprecated")
        # Its pydantic models and its pool of connections, likewise.
        warnings.filterwarnings(
            "ignore", category=DeprecationWarning, module=r"(mlflow|sqlalchemy|alembic)\b"
        )
        yield
