"""Thousands of candidates through one stream: while they come, at the end, and when it is left."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import expect
from support.browser import Visit
from support.http_server import ask
from support.servers import ServerProcess


def start(visit: Visit, count: int, topic: int = 0) -> None:
    visit.page.click("#tab-stream")
    visit.page.select_option("#stream-topic", str(topic))
    visit.page.select_option("#stream-count", str(count))
    visit.page.click("#stream-start")


def shown_top(visit: Visit) -> list[tuple[int, str]]:
    rows = visit.page.locator("#stream-top > li").all()
    return [
        (
            int(re.sub(r"\D", "", row.locator(".id").inner_text())) - 1,
            row.locator(".value").inner_text(),
        )
        for row in rows
    ]


def test_ten_thousand_candidates_are_one_stream(quick: Visit) -> None:
    with quick.page.expect_request("**/api/v1/rerank/stream") as sent:
        start(quick, 10_000)
    expect(quick.page.locator("#stream-said")).to_have_text(re.compile(r"All 10,000 documents scored in "))
    first, *documents = [json.loads(line) for line in (sent.value.post_data or "").splitlines()]
    assert first["emit"] == "STREAM_EMIT_SCORES"
    assert len(documents) == 10_000
    assert quick.text_of("stream-answered") == "10,000 / 10,000"
    progress = quick.page.locator("#stream-progress")
    assert progress.evaluate("(bar) => [bar.value, bar.max]") == [10_000, 10_000]
    assert int(quick.text_of("stream-pace").replace(",", "")) > 0
    assert re.fullmatch(r"[\d.]+ m?s", quick.text_of("stream-first"))
    streams = [url for url in quick.requests if url.endswith("/stream")]
    assert len(streams) == 1


@pytest.mark.timeout(300)
@pytest.mark.parametrize("topic", [0, 1])
def test_the_planted_ones_rise_and_the_end_is_the_servers(
    visit: Visit, server: ServerProcess, topic: int
) -> None:
    with visit.page.expect_request("**/api/v1/rerank/stream") as sent:
        start(visit, 1000, topic)
    done = re.compile(r"All 1,000 documents scored in ")
    expect(visit.page.locator("#stream-said")).to_have_text(done, timeout=250_000)
    headers = {"content-type": "application/x-ndjson"}
    answer = ask(server.http_url, "POST", "/api/v1/rerank/stream", sent.value.post_data, headers)
    *chunks, last = [json.loads(line) for line in answer.body.splitlines()]
    summary = last["summary"]["results"]
    assert shown_top(visit) == [(r["index"], f"{r['score']:.4f}") for r in summary]
    told = [
        (-score, -logit, index)
        for scores in (chunk["scores"] for chunk in chunks)
        for index, score, logit in zip(scores["index"], scores["score"], scores["logit"], strict=True)
    ]
    # The order by which the page keeps the best so far is that of the server.
    assert [index for *_, index in sorted(told)[:10]] == [r["index"] for r in summary]
    found = int(visit.text_of("stream-found").split()[0])
    assert found == visit.page.locator("#stream-top .planted").count() >= 8


def test_a_stream_can_be_left_and_begun_again(visit: Visit) -> None:
    page = visit.page
    start(visit, 10_000)
    # The running top ten is there long before the end.
    expect(page.locator("#stream-top > li")).to_have_count(10)
    expect(page.locator("#stream-cancel")).to_be_focused()
    page.keyboard.press("Enter")
    left = re.compile(r"^Cancelled after [\d,]+ of 10,000 documents\.$")
    expect(page.locator("#stream-said")).to_have_text(left)
    answered = int(visit.text_of("stream-answered").split()[0].replace(",", ""))
    assert 0 < answered < 10_000
    expect(page.locator("#stream-failure")).to_be_hidden()
    expect(page.locator("#stream-start")).to_be_focused()
    start(visit, 1000)
    expect(page.locator("#stream-said")).to_have_text(re.compile("All 1,000 documents scored"))


def test_an_error_in_the_middle_is_the_last_word(quick: Visit) -> None:
    refusal = {"code": 503, "reason": "DRAINING", "message": "going down", "details": []}
    chunk = {"scores": {"index": [0, 1], "score": [0.5, 0.25], "logit": [0.0, -1.0]}}
    body = "".join(f"{json.dumps(line)}\n" for line in (chunk, {"error": refusal}))
    quick.page.route("**/api/v1/rerank/stream", lambda route: route.fulfill(status=200, body=body))
    start(quick, 1000)
    expect(quick.page.locator("#stream-failure")).to_contain_text("DRAINING")
    expect(quick.page.locator("#stream-failure")).to_contain_text("going down")
    expect(quick.page.locator("#stream-said")).to_have_text("Ended after 2 of 1,000 documents.")


def test_an_answer_that_breaks_off_is_no_ranking(quick: Visit) -> None:
    body = '{"scores": {"index": [0], "score": [0.5], "logit": [0.0]}}\n'
    quick.page.route("**/api/v1/rerank/stream", lambda route: route.fulfill(status=200, body=body))
    start(quick, 1000)
    expect(quick.page.locator("#stream-failure")).to_contain_text("broke off")
