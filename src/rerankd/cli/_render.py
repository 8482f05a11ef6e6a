"""A ranking for people: a table with bars."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click
from google.protobuf.json_format import MessageToDict
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rerankd.cli._output import console, on_terminal, one_line, print_lines, print_message
from rerankd.core import types
from rerankd.core.documents import scored_text
from rerankd.core.errors import InvalidRequestError
from rerankd.v1 import rerank_service_pb2 as pb

BAR_CELLS = 12
ID_CELLS = 24
LEAST_TEXT_CELLS = 20
GAP = 2
SNIPPET_CHARACTERS = 400
_EIGHTHS = " ▏▎▍▌▋▊▉█"


def print_response(response: pb.RerankResponse, fields: Sequence[str], *, as_json: bool) -> None:
    """A table for a terminal, lines for a pipe, JSON on demand; `fields` are those that were scored."""
    warn(response)
    if as_json:
        print_message(response)
    elif on_terminal():
        print_table(response, fields, console())
    else:
        print_rows(response, fields)


def print_table(response: pb.RerankResponse, fields: Sequence[str], out: Console) -> None:
    """Rank, bar, score, id and text of each result, then what it took."""
    rows = list(_rows(response.results))
    titles = ["rank", "", "score", "id", "cut"]
    if not any(row[-1].plain for row in rows):
        rows, titles = [row[:-1] for row in rows], titles[:-1]
    widths = [max(len(t), *(row[i].cell_len for row in rows), 0) for i, t in enumerate(titles)]
    # Only the text gives way on a narrow terminal; left to itself, the table would narrow the bars.
    room = max(LEAST_TEXT_CELLS, out.width - sum(widths) - GAP * len(widths))
    table = Table(box=None, header_style="bold", padding=(0, GAP, 0, 0), pad_edge=False)
    for title, width in zip(titles, widths, strict=True):
        table.add_column(title, justify="right" if title in ("rank", "score") else "left", min_width=width)
    table.add_column("text", no_wrap=True)
    for row, result in zip(rows, response.results, strict=True):
        text = Text(snippet(result, fields))
        text.truncate(room, overflow="ellipsis")
        table.add_row(*row, text, style=None if result.scored else "dim")
    out.print(table)
    out.print(_footer(response), style="dim")


def _rows(results: Sequence[pb.RerankResult]) -> Iterator[list[Text]]:
    for result, share in zip(results, shares(results), strict=True):
        name = Text(one_line(result.id))
        name.truncate(ID_CELLS, overflow="ellipsis")
        yield [
            Text(str(result.rank)),
            Text(bar(share).ljust(BAR_CELLS), style="green"),
            Text(f"{result.score:.4f}" if result.scored else "-"),
            name,
            Text(f"{result.dropped_tokens} tokens" if result.dropped_tokens else "", style="yellow"),
        ]


def print_rows(response: pb.RerankResponse, fields: Sequence[str]) -> None:
    """Rank, score, id and text, parted by tabs."""
    print_lines(
        (result.rank, f"{result.score:.6g}" if result.scored else "", result.id, snippet(result, fields))
        for result in response.results
    )


def warn(response: pb.RerankResponse) -> None:
    """Says on stderr when the ranking is less than was asked for."""
    if response.outcome != pb.OUTCOME_RERANKED:
        name = pb.Outcome.Name(response.outcome).removeprefix("OUTCOME_")
        click.echo(f"rerankd: {name}: {response.outcome_reason or 'the documents were not scored'}", err=True)
    elif response.outcome_reason:
        click.echo(f"rerankd: {response.outcome_reason}", err=True)


def shares(results: Sequence[pb.RerankResult]) -> Iterator[float]:
    """How long each bar is, from 0 to 1: the score itself, or its place between the lowest and highest."""
    scores = [result.score for result in results if result.scored]
    low, high = min(scores, default=0.0), max(scores, default=0.0)
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    for result in results:
        yield (result.score - low) / (high - low) if result.scored and high > low else 0.0


def bar(share: float) -> str:
    """A bar to an eighth of a cell."""
    full, rest = divmod(round(share * BAR_CELLS * 8), 8)
    return "█" * full + (_EIGHTHS[rest] if rest else "")


def snippet(result: pb.RerankResult, fields: Sequence[str]) -> str:
    """The beginning of the text that was scored, or of the passage that won."""
    text = _text(result.document, fields)
    if result.HasField("passage"):
        text = text[result.passage.start_char : result.passage.end_char]
    return one_line(text[:SNIPPET_CHARACTERS])


def _text(document: pb.Document, fields: Sequence[str]) -> str:
    if document.WhichOneof("content") != "fields":
        return document.text
    values = types.Document(fields=MessageToDict(document.fields))
    try:
        return scored_text(values, fields, 0)
    except InvalidRequestError:
        # A document beyond the scored ones need not have the fields.
        return ""


def _footer(response: pb.RerankResponse) -> str:
    usage, timing = response.usage, response.timing
    parts = [
        response.model.id,
        f"{usage.scored_documents:,} of {usage.documents:,} documents scored",
        f"{usage.tokens:,} tokens",
        f"{timing.total_duration.ToTimedelta().total_seconds() * 1000:,.0f} ms",
    ]
    if usage.truncated_documents:
        parts.append(f"{usage.truncated_documents:,} truncated")
    return " · ".join(parts)
