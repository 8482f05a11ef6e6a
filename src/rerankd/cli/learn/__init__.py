"""`rerankd learn`: the learning reranker from the command line."""

from __future__ import annotations

import click

from rerankd.cli.learn import _corpora, _feedback, _models, _runs


@click.group()
def learn() -> None:
    """Turn clicks into a better ranking: feedback, corpora, training, evaluation, promotion.

    With --server (or RERANKD_TARGET) a running server does the work, and changes need its admin token in
    RERANKD_ADMIN__TOKEN. Without it the work is done here, in the directory of the setting
    `training.directory`.
    """


for command in (
    _feedback.feedback,
    _corpora.corpus,
    _corpora.mine,
    _runs.train,
    _runs.runs,
    _runs.watch,
    _runs.cancel,
    _runs.resume,
    _runs.compare,
    _models.evaluate,
    _models.promote,
    _models.rollback,
    _models.shadow,
    _models.status,
):
    learn.add_command(command)
