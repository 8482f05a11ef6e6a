"""`rerankd learn train`, `runs`, `watch`, `cancel`, `resume` and `compare`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rerankd.cli._failure import Failure
from rerankd.cli._output import console, print_lines, print_message
from rerankd.cli.learn._service import Place, Service, json_option, place_options, set_option
from rerankd.cli.learn._settings import fill

if TYPE_CHECKING:
    from rerankd.training.v1alpha import training_service_pb2 as pb

_ATTEMPTS = 5
"""Times in a row that a watcher goes on after a lost connection without having got anything."""


@click.command()
@click.argument("corpus_id")
@set_option
@click.option("--detach", is_flag=True, help="Do not wait for the run; only with --server.")
@json_option
@place_options
def train(*, place: Place, corpus_id: str, pairs: tuple[str, ...], detach: bool, as_json: bool) -> None:
    """Fine-tune a model on the mined groups of a corpus, and follow it.

    Ctrl-C while it works here ends the run with a checkpoint; `resume` goes on with it. On a server the run
    goes on, and `watch` follows it again.
    """
    from rerankd.training.v1alpha import settings_pb2
    from rerankd.training.v1alpha import training_service_pb2 as pb

    if detach and not place.target:
        raise click.UsageError("--detach needs --server: without one the run ends with this command")
    request = pb.CreateTrainingRunRequest(
        corpus_id=corpus_id, settings=fill(settings_pb2.RunSettings(), pairs)
    )
    with place.service() as service:
        operation = service.call("CreateTrainingRun", request)
        run_id = operation.name.removeprefix("operations/")
        if not detach:
            follow(service, run_id, quiet=as_json)
        run = service.call("GetTrainingRun", pb.GetTrainingRunRequest(run_id=run_id)).run
    _print(run, as_json=as_json)
    _check(run)


@click.command()
@click.argument("corpus_id", default="")
@json_option
@place_options
def runs(*, place: Place, corpus_id: str, as_json: bool) -> None:
    """Print the runs of a corpus, or all, the newest first."""
    from rerankd.training.v1alpha import training_service_pb2 as pb

    request = pb.ListTrainingRunsRequest(corpus_id=corpus_id)
    with place.service() as service:
        while True:
            answer = service.call("ListTrainingRuns", request)
            for run in answer.runs:
                _print(run, as_json=as_json)
            if not answer.next_page_token:
                return
            request.page_token = answer.next_page_token


@click.command()
@click.argument("run_id")
@click.option("--after", type=click.IntRange(min=0), default=0, help="Only events above this number.")
@json_option
@place_options
def watch(*, place: Place, run_id: str, after: int, as_json: bool) -> None:
    """Follow a run to its end, from its first event or from a later one."""
    from rerankd.training.v1alpha import training_service_pb2 as pb

    with place.service() as service:
        follow(service, run_id, after=after, lines=as_json)
        run = service.call("GetTrainingRun", pb.GetTrainingRunRequest(run_id=run_id)).run
    _print(run, as_json=as_json)
    _check(run)


@click.command()
@click.argument("run_id")
@json_option
@place_options
def cancel(*, place: Place, run_id: str, as_json: bool) -> None:
    """End a run after its step, with a checkpoint."""
    from rerankd.training.v1alpha import training_service_pb2 as pb

    with place.service() as service:
        request = pb.CancelTrainingRunRequest(run_id=run_id)
        _print(service.call("CancelTrainingRun", request, timeout=None).run, as_json=as_json)


@click.command()
@click.argument("run_id")
@click.option("--detach", is_flag=True, help="Do not wait for the run; only with --server.")
@json_option
@place_options
def resume(*, place: Place, run_id: str, detach: bool, as_json: bool) -> None:
    """Go on with a run that was cancelled or failed, and follow it."""
    from rerankd.training.v1alpha import training_service_pb2 as pb

    if detach and not place.target:
        raise click.UsageError("--detach needs --server: without one the run ends with this command")
    with place.service() as service:
        last = _last_sequence(service, run_id)
        service.call("ResumeTrainingRun", pb.ResumeTrainingRunRequest(run_id=run_id))
        if not detach:
            follow(service, run_id, after=last, quiet=as_json)
        run = service.call("GetTrainingRun", pb.GetTrainingRunRequest(run_id=run_id)).run
    _print(run, as_json=as_json)
    _check(run)


@click.command()
@click.argument("baseline_run_id")
@click.argument("current_run_id")
@json_option
@place_options
def compare(*, place: Place, baseline_run_id: str, current_run_id: str, as_json: bool) -> None:
    """Put two runs side by side."""
    from rerankd.training.v1alpha import training_service_pb2 as pb

    request = pb.CompareTrainingRunsRequest(baseline_run_id=baseline_run_id, current_run_id=current_run_id)
    with place.service() as service:
        answer = service.call("CompareTrainingRuns", request)
    if as_json:
        print_message(answer)
        return
    before, after = answer.baseline, answer.current
    print_lines(
        [
            ("", "baseline", "current", "difference"),
            (f"best {answer.metric}", f"{before.best:.4f}", f"{after.best:.4f}", f"{answer.best_delta:+.4f}"),
            (
                "seconds to best",
                f"{_seconds(before):.0f}",
                f"{_seconds(after):.0f}",
                f"{answer.seconds_to_best_delta:+.0f}",
            ),
            (
                "stability",
                f"{before.stability:.4f}",
                f"{after.stability:.4f}",
                f"{answer.stability_delta:+.4f}",
            ),
        ]
    )


def follow(
    service: Service, run_id: str, *, after: int = 0, quiet: bool = False, lines: bool = False
) -> None:
    """Shows the events of a run until it ends; a lost connection is taken up where it broke.

    Raises:
        rerankd.client.UnavailableError: The server does not come back.
    """
    from rerankd.client import UnavailableError
    from rerankd.client._errors import typed_errors
    from rerankd.training.v1alpha import training_service_pb2 as pb

    attempts = 0
    with _Follower(quiet=quiet, lines=lines) as show:
        while True:
            request = pb.WatchTrainingRunRequest(run_id=run_id, after_sequence=after)
            try:
                with typed_errors():
                    for answer in service.call("WatchTrainingRun", request, timeout=None):
                        show(answer.event)
                        after, attempts = answer.event.sequence, 0
                return
            except UnavailableError:
                attempts += 1
                if attempts == _ATTEMPTS:
                    raise


class _Follower:
    """A bar on a terminal, lines elsewhere."""

    def __init__(self, *, quiet: bool, lines: bool) -> None:
        self._quiet = quiet
        self._lines = lines
        self._bar: object = None

    def __enter__(self) -> _Follower:
        out = console(stderr=True)
        if out.is_terminal and not self._quiet and not self._lines:
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

            self._progress = Progress(
                BarColumn(),
                TextColumn("{task.percentage:>3.0f}%"),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[figures]}", markup=False),
                console=out,
                transient=True,
            )
            self._progress.start()
            self._bar = self._progress.add_task("", total=100.0, figures="")
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._progress.stop()

    def __call__(self, event: pb.TrainingEvent) -> None:
        from rerankd.training.v1alpha import training_service_pb2 as pb

        if self._lines:
            print_message(event)
        if self._quiet or self._lines:
            return
        figures = "  ".join(f"{name} {value:.4g}" for name, value in sorted(event.metrics.items()))
        if self._bar is not None and event.type == pb.TRAINING_EVENT_TYPE_PROGRESS:
            self._progress.update(self._bar, completed=event.percent, figures=_short(event))  # type: ignore[arg-type]
        elif event.type != pb.TRAINING_EVENT_TYPE_PROGRESS:
            kind = pb.TrainingEventType.Name(event.type).removeprefix("TRAINING_EVENT_TYPE_").lower()
            words = "  ".join(filter(None, (f"step {event.step}", kind, event.message, figures)))
            if self._bar is not None:
                self._progress.console.print(words)
            else:
                click.echo(words, err=True)


def _short(event: pb.TrainingEvent) -> str:
    wanted = ("loss", "pairs_per_second")
    return "  ".join(f"{name} {event.metrics[name]:.4g}" for name in wanted if name in event.metrics)


def _last_sequence(service: Service, run_id: str) -> int:
    """Of the events so far: the stream of a run that has ended ends by itself."""
    from rerankd.training.v1alpha import training_service_pb2 as pb

    last = 0
    for answer in service.call("WatchTrainingRun", pb.WatchTrainingRunRequest(run_id=run_id)):
        last = answer.event.sequence
    return last


def _seconds(summary: pb.TrainingRunSummary) -> float:
    return float(summary.time_to_best_duration.ToNanoseconds()) / 1e9


def state_of(run: pb.TrainingRun) -> str:
    """The state in a word."""
    from rerankd.training.v1alpha import training_service_pb2 as pb

    return str(pb.TrainingRunState.Name(run.state)).removeprefix("TRAINING_RUN_STATE_").lower()


def _print(run: pb.TrainingRun, *, as_json: bool) -> None:
    if as_json:
        print_message(run)
        return
    from rerankd.training.v1alpha import settings_pb2

    metric = str(settings_pb2.Metric.Name(run.primary_metric)).removeprefix("METRIC_").lower()
    best = f"best {metric}@{run.primary_k} {run.summary.best:.4f}" if run.HasField("summary") else ""
    print_lines([[cell for cell in (run.id, state_of(run), f"{run.progress:.0%}", best, run.error) if cell]])


def _check(run: pb.TrainingRun) -> None:
    """A run that failed fails the command."""
    if state_of(run) == "failed":
        raise Failure(f"run {run.id} failed: {run.error or 'its log has the cause'}")
