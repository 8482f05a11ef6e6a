from __future__ import annotations

import io

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from rerankd.cli._output import one_line
from rerankd.cli._render import BAR_CELLS, bar, print_rows, print_table, shares, snippet, warn
from rerankd.v1 import rerank_service_pb2 as pb


def response() -> pb.RerankResponse:
    answer = pb.RerankResponse(outcome=pb.OUTCOME_RERANKED, model=pb.ModelRef(id="m"))
    answer.results.add(
        rank=1, score=0.75, scored=True, id="long-" * 20, index=4, document=pb.Document(text="word " * 100)
    )
    answer.results.add(
        rank=2,
        score=0.0,
        scored=True,
        id="b",
        dropped_tokens=12,
        document=pb.Document(text="evil \x1b[31m\ttext"),
    )
    answer.results.add(rank=3, id="c", document=pb.Document(text="unscored"))
    return answer


def table(answer: pb.RerankResponse, width: int, *, colour: bool = False) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=colour, no_color=not colour)
    print_table(answer, (), console)
    return out.getvalue()


@pytest.mark.parametrize("width", [90, 100, 200])
def test_the_text_gives_way_and_nothing_else(width: int) -> None:
    lines = table(response(), width).splitlines()
    assert all(len(line) <= width for line in lines[:4])
    assert lines[0].split() == ["rank", "score", "id", "cut", "text"]
    assert "█████████" in lines[1]
    assert "0.7500" in lines[1]
    assert "0.0000" in lines[2]
    assert "12 tokens" in lines[2]
    assert lines[3].split() == ["3", "-", "c", "unscored"]


def test_what_documents_hold_cannot_steer_the_terminal() -> None:
    assert "\x1b" not in table(response(), 100)
    assert one_line("a\x1b[31m\x00\u2028b\n\tc") == "a [31m b c"


def test_rows_for_a_pipe() -> None:

    @click.command()
    def command() -> None:
        print_rows(response(), ())

    lines = CliRunner().invoke(command).output.splitlines()
    assert [line.split("\t")[:2] for line in lines] == [["1", "0.75"], ["2", "0"], ["3", ""]]
    assert lines[1].split("\t")[2:] == ["b", "evil [31m text"]


def test_the_snippet_is_what_was_scored() -> None:
    document = pb.Document()
    document.fields.update({"title": "T", "body": "B", "text": "X", "year": 1999})
    result = pb.RerankResult(document=document)
    assert snippet(result, ()) == "X"
    assert snippet(result, ("year", "title")) == "1999 T"
    assert snippet(result, ("nope",)) == ""
    passage = pb.RerankResult(
        document=pb.Document(text="far away, right here, gone"),
        passage=pb.Passage(start_char=10, end_char=20),
    )
    assert snippet(passage, ()) == "right here"


@given(st.floats(0, 1))
def test_a_bar_never_leaves_its_column(share: float) -> None:
    assert 0 <= len(bar(share)) <= BAR_CELLS


def test_bars_of_logits_span_from_the_lowest_to_the_highest() -> None:
    results = [pb.RerankResult(score=score, scored=True) for score in (5.0, -5.0, 0.0)]
    assert list(shares(results)) == [1.0, 0.0, 0.5]
    assert list(shares([pb.RerankResult(score=7.0, scored=True)])) == [0.0]
    assert list(shares([])) == []


@pytest.mark.parametrize(
    ("outcome", "reason", "said"),
    [
        (pb.OUTCOME_RERANKED, "", ""),
        (pb.OUTCOME_RERANKED, "only the best 9 are kept", "rerankd: only the best 9 are kept\n"),
        (pb.OUTCOME_PARTIAL, "DEADLINE_EXCEEDED", "rerankd: PARTIAL: DEADLINE_EXCEEDED\n"),
        (pb.OUTCOME_PASSTHROUGH, "", "rerankd: PASSTHROUGH: the documents were not scored\n"),
    ],
)
def test_less_than_was_asked_for_is_said(
    capsys: pytest.CaptureFixture[str], outcome: pb.Outcome, reason: str, said: str
) -> None:
    warn(pb.RerankResponse(outcome=outcome, outcome_reason=reason))
    assert capsys.readouterr() == ("", said)
