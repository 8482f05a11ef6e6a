"""`rerankd rerank`."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rerankd.cli._connection import connect, credential_options, json_option
from rerankd.cli._documents import documents_of
from rerankd.cli._settings import load_config, settings_options

if TYPE_CHECKING:
    from rerankd.client import RerankKeywords

UNARY_DOCUMENTS = 1024
"""Beyond it a set goes by the stream, which gives documents back for a limited top n only."""
STREAM_RETURNS = 1000


@click.command()
@click.argument("query")
@click.argument("file", metavar="FILE|-")
@click.option(
    "--server",
    "target",
    envvar="RERANKD_TARGET",
    show_envvar=True,
    metavar="TARGET",
    help="Address of a server's gRPC port. Without one the model is loaded and run here.",
)
@credential_options
@click.option("--model", default="", help="Id, preset or alias; default: the server's.")
@click.option("-n", "--top-n", default=10, show_default=True, type=click.IntRange(min=0), help="0 = all.")
@click.option("--raw-scores", is_flag=True, help="Logits instead of scores from 0 to 1.")
@click.option("--best-passage", is_flag=True, help="Score long documents in windows; the best one counts.")
@click.option("--min-score", type=float, help="Leave out what scores less.")
@click.option("--field", "fields", multiple=True, help="Field of structured documents to score. May repeat.")
@click.option("--instruction", default="", help="What relevance means, for models that take it.")
@click.option("--jsonl", is_flag=True, help="Each line is JSON, whatever the file's name.")
@click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True), help="Seconds to wait for the answer."
)
@settings_options
@json_option
def rerank(
    *,
    query: str,
    file: str,
    target: str | None,
    model: str,
    top_n: int,
    raw_scores: bool,
    best_passage: bool,
    min_score: float | None,
    fields: tuple[str, ...],
    instruction: str,
    jsonl: bool,
    timeout: float | None,
    config_file: Path | None,
    settings: tuple[str, ...],
    as_json: bool,
) -> None:
    """Rank the documents in FILE by how well they answer QUERY.

    FILE, or standard input for -, has one document on each line. In a .jsonl file each line is an
    object with `text` or `fields`, and optionally `id` and `original_score`. On a terminal the answer
    is a table, in a pipe lines of rank, score, id and text, parted by tabs; a document without an id
    has the number of its line.
    """
    from rerankd.cli._render import print_response

    if target and (config_file or settings):
        raise click.UsageError("--config and --set are for ranking without a server")
    options: RerankKeywords = {
        "model": model,
        "top_n": top_n,
        "raw_scores": raw_scores,
        "long_document": "best_passage" if best_passage else "truncate_end",
        "min_score": min_score,
        "document_fields": fields,
        "instruction": instruction,
    }
    with documents_of(file, jsonl=jsonl) as documents:
        first = list(itertools.islice(documents, UNARY_DOCUMENTS + 1))
        options["return_documents"] = len(first) <= UNARY_DOCUMENTS or 1 <= top_n <= STREAM_RETURNS
        everything = itertools.chain(first, documents)
        if target:
            with connect(target) as client:
                response = client.rerank_all(query, everything, timeout_seconds=timeout, **options)
        else:
            from rerankd.cli._in_process import rerank_in_process

            # Here the caller is the operator: any model may be named, as with `rerankd serve --model`.
            config = load_config({"model": model or None}, settings, config_file)
            options["model"] = ""
            response = rerank_in_process(config, query, everything, timeout, options)
    print_response(response, fields, as_json=as_json)
