"""`rerankd learn evaluate`, `promote`, `rollback` and `status`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rerankd.cli._output import print_lines, print_message
from rerankd.cli.learn._runs import state_of
from rerankd.cli.learn._service import Place, json_option, place_options, set_option
from rerankd.cli.learn._settings import fill

if TYPE_CHECKING:
    from rerankd.training.v1alpha import training_service_pb2 as pb


@click.command()
@click.argument("corpus_id")
@click.argument("models", nargs=-1)
@set_option
@json_option
@place_options
def evaluate(
    *, place: Place, corpus_id: str, models: tuple[str, ...], pairs: tuple[str, ...], as_json: bool
) -> None:
    """Judge MODELS (names or runs; default: the one in use) on the judged queries of a corpus."""
    from rerankd.training.v1alpha import settings_pb2
    from rerankd.training.v1alpha import training_service_pb2 as pb

    request = pb.EvaluateRequest(
        corpus_id=corpus_id, models=models, settings=fill(settings_pb2.EvaluationSettings(), pairs)
    )
    with place.service() as service:
        answer = service.call("Evaluate", request, timeout=None)
    if as_json:
        print_message(answer)
    else:
        print_lines(_table(answer))


@click.command()
@click.argument("run_id")
@click.option("--force", default="", metavar="REASON", help="Serve it although the gate is against it.")
@json_option
@place_options
def promote(*, place: Place, run_id: str, force: str, as_json: bool) -> None:
    """Let the model of a run serve, if it is proven to be better than the one in use."""
    from rerankd.training.v1alpha import training_service_pb2 as pb

    with place.service() as service:
        request = pb.PromoteTrainingRunRequest(run_id=run_id, force_reason=force)
        answer = service.call("PromoteTrainingRun", request, timeout=None)
    if as_json:
        print_message(answer)
        return
    click.echo(f"{answer.model.model} is {answer.model.revision} now")
    for finding in answer.findings:
        click.echo(f"  {finding}")


@click.command()
@click.argument("run_or_corpus")
@click.option("--start", is_flag=True, help="Start one, for a run.")
@click.option("--fraction", type=float, help="Share of the live requests, above 0 to 1.")
@place_options
def shadow(*, place: Place, run_or_corpus: str, start: bool, fraction: float | None) -> None:
    """Print what the last shadow of a corpus has seen; --start begins one for a run."""
    from rerankd.training.v1alpha import training_service_pb2 as pb

    with place.service() as service:
        if start:
            request = pb.StartShadowRequest(run_id=run_or_corpus, shadow_fraction=fraction)
            answer = service.call("StartShadow", request, timeout=None)
        else:
            answer = service.call("GetShadow", pb.GetShadowRequest(corpus_id=run_or_corpus))
    print_message(answer)


@click.command()
@click.argument("corpus_id")
@json_option
@place_options
def rollback(*, place: Place, corpus_id: str, as_json: bool) -> None:
    """Let the revision serve that served before."""
    from rerankd.training.v1alpha import training_service_pb2 as pb

    with place.service() as service:
        request = pb.RollbackModelRequest(corpus_id=corpus_id)
        model = service.call("RollbackModel", request, timeout=None).model
    if as_json:
        print_message(model)
    else:
        click.echo(f"{model.model} is {model.revision} again")


@click.command()
@json_option
@place_options
def status(*, place: Place, as_json: bool) -> None:
    """Print what there is: corpora, runs under way, models in use."""
    from rerankd.training.v1alpha import training_service_pb2 as pb

    with place.service() as service:
        answer = service.call("GetLearningStatus", pb.GetLearningStatusRequest())
    if as_json:
        print_message(answer)
        return
    print_lines([("corpus", corpus_id) for corpus_id in answer.corpus_ids])
    print_lines([("run", run.id, state_of(run), f"{run.progress:.0%}") for run in answer.active_runs])
    print_lines([("model", model.model, model.revision, model.run_id) for model in answer.models])


def _table(answer: pb.EvaluateResponse) -> list[tuple[str, ...]]:
    """A line for each system: its metrics, and what it gains over the first stage."""
    names = list(dict.fromkeys(name for system in answer.systems for name in sorted(system.metrics)))
    first = answer.systems[0].name
    rows: list[tuple[str, ...]] = [("", *names)]
    for system in answer.systems:
        rows.append((system.name, *(f"{system.metrics[name].mean:.4f}" for name in names)))
        if first in system.gains:
            gains = system.gains[first].metrics
            told = [f"{gains[n].mean:+.4f} [{gains[n].low:+.4f}, {gains[n].high:+.4f}]" for n in names]
            rows.append((f"  over {first}", *told))
    return rows
