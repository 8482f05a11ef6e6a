"""All routes of the learning reranker."""

from __future__ import annotations

from starlette.routing import Route

from rerankd.http_api.learning import corpora, feedback, models, runs
from rerankd.http_api.learning.calls import Desk


def learning_routes(desk: Desk) -> list[Route]:
    """The routes; `desk` is what they work with."""
    return [
        *models.routes(desk),
        *feedback.routes(desk),
        *corpora.routes(desk),
        *runs.routes(desk),
    ]
