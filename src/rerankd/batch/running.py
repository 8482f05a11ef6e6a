"""A job from its inputs to its results, on a Ray of this machine or of many."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

from rerankd.batch.checkpoint import Checkpoint, Part, PartDone, model_of, parts_of
from rerankd.batch.files import InputFile, find_inputs, is_within
from rerankd.batch.formats import FORMATS, Format, Parquet, Piece, format_of
from rerankd.batch.job import BatchError, Job
from rerankd.batch.queries import Lists, Pairs, shape_of
from rerankd.config import Config

_UNBOUNDED = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """How many engines there are, and what each has."""

    count: int = 1
    cpus: float = 0.0
    """Of each worker; 0 = an equal share of the cluster's."""
    gpus: float = 0.0
    """Of each worker; a fraction lets several share one."""
    address: str = "local"
    """Of a Ray cluster; local = one of this machine's own, for this run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is."""

    parts: int
    parts_done: int
    parts_kept: int
    """Of those that are done, the ones that an earlier run did."""
    queries: int
    documents: int
    errors: int
    model: str


Report = Callable[[Progress], None]


def run(job: Job, workers: Workers, report: Report, *, restart: bool = False) -> Progress:
    """Reranks what is not yet reranked; returns how it ended.

    Args:
        job: What to do.
        workers: Who does it.
        report: Told after each part.
        restart: Whether results that are there already are removed first.

    Raises:
        BatchError: The run cannot begin, or the model fails; what is done is kept.
        ModuleNotFoundError: There is no Ray.
    """
    # Found missing before anything is begun.
    import ray  # noqa: F401

    for uri in job.inputs:
        if is_within(job.output, uri):
            raise BatchError(f"{job.output} lies in {uri}, where results would become inputs")
    files = find_inputs(job.inputs, tuple(FORMATS))
    source = format_of(files)
    schema = _schema(job, source, files)
    checkpoint = Checkpoint(job.output)
    checkpoint.begin(job, files, restart=restart)
    with _ray(workers):
        parts, reader = _plan(job, source, files)
        tally = _Tally(parts, checkpoint.done())
        report(tally.progress())
        if tally.open:
            for done in _reranked(job, workers, tally, (reader, source, schema)):
                tally.add(done)
                report(tally.progress())
    return tally.progress()


def _plan(job: Job, source: Format, files: Sequence[InputFile]) -> tuple[list[Part], Format]:
    """The parts to rank, and the format they are in: pairs are gathered first, into files of our own."""
    pieces = _pieces(source, files, job.block_bytes)
    if job.shape == "pairs":
        from rerankd.batch.grouping import gathered

        read_as, source = source, Parquet()
        pieces = _pieces(source, gathered(job, read_as, pieces), job.block_bytes)
    return parts_of(pieces, job.block_bytes), source


def _pieces(source: Format, files: Sequence[InputFile], block_bytes: int) -> list[Piece]:
    return [piece for file in files for piece in source.pieces(file, block_bytes)]


def _schema(job: Job, source: Format, files: Sequence[InputFile]) -> Any:
    """The columns of the results, where the format has such a thing.

    Raises:
        BatchError: A column that is needed is not there, or files differ in their columns.
    """
    schema = source.schema(files[0].uri)
    if schema is None:
        return None
    columns = job.columns
    pairs = job.shape == "pairs"
    wanted = [columns.query, *((columns.document, columns.key) if pairs else (columns.documents,))]
    missing = [name for name in wanted if name not in schema.names]
    if missing:
        raise BatchError(f"{files[0].uri} has no column {missing[0]}; it has {', '.join(schema.names)}")
    other = next((file for file in files[1:] if not schema.equals(source.schema(file.uri))), None)
    if other is not None:
        raise BatchError(f"{other.uri} has other columns than {files[0].uri}")
    shape: Lists | Pairs = shape_of(job.shape, columns, return_documents=job.return_documents)
    return shape.schema(schema)


def _reranked(
    job: Job, workers: Workers, tally: _Tally, formats: tuple[Format, Format, Any]
) -> Iterator[PartDone]:
    """The parts that were not done, as they get done."""
    import ray
    import ray.data

    from rerankd.batch.worker import Reranker

    # No more workers than parts: each loads the model.
    count = min(workers.count, len(tally.open))
    cpus = workers.cpus or max(1.0, ray.cluster_resources().get("CPU", 1.0) // count)
    job = replace(job, config=_for_worker(job.config, cpus))
    items = [asdict(part) for part in tally.open]
    results = ray.data.from_items(items, override_num_blocks=len(items)).map(
        Reranker,
        fn_constructor_args=(job, *formats, tally.model),
        compute=ray.data.ActorPoolStrategy(size=count),
        num_cpus=cpus,
        num_gpus=workers.gpus or None,
    )
    for row in results.iter_rows():
        models = tuple(name for name in row.pop("models").split(",") if name)
        yield PartDone(**row, models=models)


def _for_worker(config: Config, cpus: float) -> Config:
    """The engine's configuration on a share of a machine, where nobody is to be refused for others' sake."""
    threads = config.onnx.threads or max(1, int(cpus))
    return config.model_copy(
        update={
            "onnx": config.onnx.model_copy(update={"threads": threads}),
            "limits": config.limits.model_copy(update={"max_queued_tokens": _UNBOUNDED}),
        }
    )


def _without_traceback(error: BaseException) -> BatchError:
    """What a worker said, of which Ray keeps only the text, or what Ray says of it."""
    said = re.findall(r"\bBatchError: (.+)", str(error))
    return BatchError(said[0] if said else str(error).strip().splitlines()[-1])


@contextmanager
def _ray(workers: Workers) -> Iterator[None]:
    """A Ray for the time of a run; one that the process has already is used and left running."""
    # Reports of use leave the machine; ours has none either.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray
    import ray.data

    ours = not ray.is_initialized()
    if ours:
        local = {"include_dashboard": False} if workers.address == "local" else {}
        try:
            ray.init(address=workers.address, logging_level=logging.WARNING, log_to_driver=False, **local)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise BatchError(
                f"no Ray at {workers.address}: {error} (one that wants a token needs RAY_AUTH_MODE=token)"
            ) from error
    # The progress is ours to tell.
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    try:
        yield
    except ray.exceptions.RayError as error:
        raise _without_traceback(error) from error
    finally:
        if ours:
            ray.shutdown()


class _Tally:
    """Which parts are done, and what they add up to."""

    def __init__(self, parts: Sequence[Part], done: dict[int, PartDone]) -> None:
        self._parts = parts
        self._kept = len(done)
        self._done = list(done.values())
        self.model = model_of(self._done)
        self.open = [part for part in parts if part.number not in done]

    def add(self, done: PartDone) -> None:
        """Counts a part in."""
        self._done.append(done)

    def progress(self) -> Progress:
        """How far it is."""
        return Progress(
            parts=len(self._parts),
            parts_done=len(self._done),
            parts_kept=self._kept,
            queries=sum(part.queries for part in self._done),
            documents=sum(part.documents for part in self._done),
            errors=sum(part.errors for part in self._done),
            model=model_of(self._done),
        )
