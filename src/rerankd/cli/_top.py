"""`rerankd top`."""

from __future__ import annotations

import time

import click

from rerankd.cli._failure import Failure
from rerankd.cli._http import http_option, read
from rerankd.cli._metrics_page import Page, Span, parse
from rerankd.cli._output import console, on_terminal, print_lines


@click.command()
@http_option
@click.option(
    "--interval",
    type=click.FloatRange(min=0.1, max=3600),
    default=2.0,
    show_default=True,
    help="Seconds between two looks; rates and percentiles are of that time.",
)
@click.option("--once", is_flag=True, help="Print what happens during one interval, and end.")
def top(*, url: str, interval: float, once: bool) -> None:
    """Watch a running server: queue, throughput, latency, padding, cache, models.

    Reads /metrics of the HTTP port. Ctrl-C ends it. In a pipe, or with --once, one frame is printed: a
    table on a terminal, else name and value parted by a tab.
    """
    before = look(url)
    if once or not on_terminal():
        time.sleep(interval)
        _print(Span(before, look(url)), url)
        return
    _watch(before, url, interval)


def look(url: str) -> Page:
    """The metrics of a server now."""
    try:
        page = parse(read(f"{url}/metrics").decode(), time.monotonic())
    except (ValueError, UnicodeDecodeError) as error:
        raise Failure(f"{url}/metrics is no page of metrics") from error
    if not page.samples.get("rerankd_build_info"):
        raise Failure(f"{url} is no rerankd server: its /metrics has no rerankd_build_info")
    return page


def _print(span: Span, url: str) -> None:
    from rerankd.cli._top_view import frame, rows

    if on_terminal():
        console().print(frame(span, url))
    else:
        print_lines(rows(span))


def _watch(page: Page, url: str, interval: float) -> None:
    from rich.live import Live

    from rerankd.cli._top_view import frame, lost

    span = Span(page, page)
    with Live(frame(span, url), console=console(), screen=True, auto_refresh=False) as live:
        while True:
            time.sleep(interval)
            try:
                page = look(url)
            except Failure as failure:
                # A server that restarts comes back: whoever watches wants to see it.
                live.update(lost(span, url, failure.message), refresh=True)
                continue
            span = Span(span.after, page)
            live.update(frame(span, url), refresh=True)
