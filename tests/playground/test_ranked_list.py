"""A person ranks: what the page shows is what the server answered, said three ways."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Route, expect
from support.browser import Visit, visiting
from support.http_server import ask_json, http_server
from support.servers import ServerProcess

from rerankd.access.key_file import KeyRecord, digest_of, generate, line_of

SAMPLES = ("general", "support", "ops", "shop", "long")


def shown_ranking(visit: Visit) -> list[tuple[int, str]]:
    """Index and score of each row, as the page shows them."""
    rows = visit.page.locator("#after > li")
    return [
        (int(row.get_attribute("data-index") or ""), row.locator(".value").inner_text()) for row in rows.all()
    ]


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_sample_is_ranked_as_the_server_ranks_it(visit: Visit, server: ServerProcess, sample: str) -> None:
    page = visit.page
    page.click(f"[data-sample={sample}]")
    expect(page.locator(f"[data-sample={sample}]")).to_have_attribute("aria-pressed", "true")
    with page.expect_request("**/api/v1/rerank") as sent:
        visit.rank()
    body = json.loads(sent.value.post_data or "")
    answer = ask_json(server.http_url, "/api/v1/rerank", body).json
    assert shown_ranking(visit) == [(r["index"], f"{r['score']:.4f}") for r in answer["results"]]
    assert len(body["documents"]) == page.locator("#before > li").count() >= 5
    # A sample that is in order already shows nothing.
    assert any(r["index"] + 1 != r["rank"] for r in answer["results"])


def test_moves_are_told_by_arrow_colour_and_words(visit: Visit) -> None:
    visit.rank()
    colours: dict[str, set[str]] = {}
    for rank, row in enumerate(visit.page.locator("#after > li").all(), start=1):
        place = int(row.get_attribute("data-index") or "") + 1
        way = "up" if place > rank else "down" if place < rank else "same"
        arrow, words = {
            "up": ("▲", f"up {place - rank}, from {place}"),
            "down": ("▼", f"down {rank - place}, from {place}"),
            "same": ("=", "stays"),
        }[way]
        move = row.locator(".move")
        assert move.inner_text() == f"{arrow} {words}"
        colours.setdefault(way, set()).add(move.evaluate("(each) => getComputedStyle(each).color"))
        before = visit.page.locator(f"#before > [data-index='{place - 1}'] .to")
        assert before.inner_text() == f"→ {rank}"
    assert {"up", "down"} <= colours.keys()
    assert len(set.union(*colours.values())) == len(colours)
    assert visit.page.locator("#flow path").count() == visit.page.locator("#after > li").count()


def test_bars_are_as_long_as_scores_and_logits_come_on_demand(visit: Visit) -> None:
    visit.rank()
    for row in visit.page.locator("#after > li").all():
        share = row.locator(".filled").evaluate(
            "(bar) => Number.parseFloat(bar.style.inlineSize) / 100",
        )
        assert share == pytest.approx(float(row.locator(".value").inner_text()), abs=1e-3)
    logit = visit.page.locator("#after .logit").first
    expect(logit).to_be_hidden()
    visit.page.check("#logits")
    expect(logit).to_be_visible()
    assert re.fullmatch(r"logit -?\d+\.\d{3}", logit.inner_text())


def test_times_and_usage_are_told(visit: Visit) -> None:
    text = "a text that no other test ranks"
    visit.rank(query="how is usage told", documents=f"{text}\n{text}\nanother one of them")
    facts = dict(re.findall(r"^(.+)\n(.+)$", visit.page.locator("#facts").inner_text(), re.M))
    assert {"Round trip", "Server", "Queue", "Tokenize", "Inference", "Tokens"} <= facts.keys()
    assert all(re.fullmatch(r"[\d.]+ m?s", facts[name]) for name in ("Round trip", "Server", "Inference"))
    assert int(facts["Tokens"]) > 0
    assert facts["Equal texts"] == "1"
    visit.rank()
    expect(visit.page.locator("#facts")).to_contain_text(re.compile(r"Cache hits\s*[23]"))
    assert "rerankd/mini-en" in visit.text_of("facts")


def test_documents_that_were_cut_say_how_much_is_lost(visit: Visit) -> None:
    page = visit.page
    page.fill("#max-tokens", "20")
    visit.rank(query="word", documents="short\n" + "word and more " * 60)
    cut = page.locator("#after .cut")
    assert cut.count() == 1
    assert re.fullmatch(r"✂ end not read: \d+ tokens", cut.inner_text())
    page.select_option("#long-document", "LONG_DOCUMENT_TRUNCATE_START")
    page.click("#rank")
    expect(cut).to_contain_text("beginning not read")
    expect(page.locator("#facts")).to_contain_text("1 document")


def test_the_best_passage_is_marked_where_the_server_says(visit: Visit) -> None:
    page = visit.page
    # Characters of two UTF-16 units before the passage, which offsets count once.
    head = "\N{CROISSANT}\N{ROCKET} Bread rises when yeast makes gas. " * 12
    answer = "Paris is the capital of France and lies on the Seine."
    tail = " Boats carry sand and wine along the river. " * 12
    page.fill("#max-tokens", "40")
    page.select_option("#long-document", "LONG_DOCUMENT_BEST_PASSAGE")
    with page.expect_response("**/api/v1/rerank") as got:
        visit.rank(query="What is the capital of France?", documents=f"{head}{answer}{tail}\nBread.")
    result = got.value.json()["results"][0]
    passage = f"{head}{answer}{tail}".strip()[
        slice(*(result["passage"][k] for k in ("startChar", "endChar")))
    ]
    marked = page.locator("#after mark").first
    assert "Paris" in passage
    page.locator("#after button[aria-expanded]").first.click()
    expect(marked).to_have_text(passage)
    whole = page.locator("#after .text").first
    assert whole.text_content() == f"{head}{answer}{tail}".strip()
    expect(page.locator("#after .best").first).to_have_text("best passage marked")


def test_top_n_and_the_model_are_passed_on(visit: Visit) -> None:
    page = visit.page
    assert "rerankd/mini-en" in page.locator("#model option").all_inner_texts()
    page.select_option("#model", "rerankd/mini-en")
    page.fill("#top-n", "3")
    with page.expect_request("**/api/v1/rerank") as sent:
        visit.rank()
    assert json.loads(sent.value.post_data or "")["options"] == {"model": "rerankd/mini-en", "topN": 3}
    assert page.locator("#after > li").count() == 3
    assert page.locator("#before .to", has_text="not returned").count() == 7


@pytest.mark.parametrize(
    ("documents", "read_as", "sent"),
    [
        ("one\r\n\r\n two \n", "one a line", [{"text": "one"}, {"text": "two"}]),
        ("[warn] disk\n[info] ok", "one a line", [{"text": "[warn] disk"}, {"text": "[info] ok"}]),
        (
            '{"id": "a", "text": "x\\ny", "original_score": 2}\n{"title": "t", "n": 1}',
            "JSON lines",
            [{"id": "a", "text": "x\ny", "originalScore": 2}, {"fields": {"title": "t", "n": 1}}],
        ),
        ('["one", {"text": "two"}]', "a JSON array", [{"text": "one"}, {"text": "two"}]),
    ],
)
def test_documents_come_in_three_formats(quick: Visit, documents: str, read_as: str, sent: object) -> None:
    quick.page.fill("#documents", documents)
    expect(quick.page.locator("#count")).to_contain_text(f"2 documents, of at most 1,024; read as {read_as}")
    with quick.page.expect_request("**/api/v1/rerank") as request:
        quick.rank(query="two")
    assert json.loads(request.value.post_data or "")["documents"] == sent


def test_one_document_and_the_most(quick: Visit) -> None:
    quick.rank(query="alpha", documents="alpha alone")
    assert quick.page.locator("#after > li").count() == 1
    texts = [f"alpha {number}" if number == 1023 else f"beta {number}" for number in range(1024)]
    quick.rank(query="alpha", documents="\n".join(texts))
    expect(quick.page.locator("#said")).to_contain_text("1,024 documents")
    assert quick.page.locator("#after > li").count() == 50
    assert quick.page.locator("#after .text").first.inner_text() == "alpha 1023"
    assert quick.page.locator("#after .move").first.inner_text() == "▲ up 1023, from 1024"
    quick.page.click("#more")
    expect(quick.page.locator("#more")).to_be_hidden()
    assert quick.page.locator("#after > li").count() == quick.page.locator("#before > li").count() == 1024


def test_text_of_any_script_keeps_its_direction(quick: Visit) -> None:
    arabic = "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645"
    emoji = "a \N{FAMILY}\u200d\N{ROCKET} b"
    quick.rank(query=arabic, documents=f"{arabic} alpha\n{emoji}")
    first = quick.page.locator("#after .text").first
    assert first.inner_text() == f"{arabic} alpha"
    assert first.evaluate("(each) => getComputedStyle(each).direction") == "rtl"
    assert quick.page.locator("#query").evaluate("(each) => getComputedStyle(each).direction") == "rtl"
    assert quick.page.locator("#after .text").nth(1).text_content() == emoji


@pytest.mark.parametrize(
    ("inputs", "reason", "words", "wrong"),
    [
        ({"#query": ""}, "INVALID_REQUEST", "query", "query"),
        ({"#documents": " \n "}, "INVALID_REQUEST", "documents", "documents"),
        ({"#documents": "x\n" * 1025}, "TOO_MANY_DOCUMENTS", "1024", "documents"),
        ({"#top-n": "-1"}, "INVALID_REQUEST", "top_n", "top-n"),
        ({"#max-tokens": "-3"}, "INVALID_REQUEST", "max_tokens_per_document", "max-tokens"),
        ({"#documents": '{"text": 5}'}, "INVALID_REQUEST", "documents[0].text", "documents"),
    ],
)
def test_errors_are_the_servers_words_at_the_input(
    visit: Visit, inputs: dict[str, str], reason: str, words: str, wrong: str
) -> None:
    page = visit.page
    for name, value in inputs.items():
        page.fill(name, value)
    with page.expect_response("**/api/v1/rerank") as got:
        page.click("#rank")
    error = got.value.json()["error"]
    assert (error["reason"], words in error["message"]) == (reason, True), error
    expect(page.get_by_role("alert")).to_contain_text(error["reason"])
    expect(page.get_by_role("alert")).to_contain_text(error["message"])
    expect(page.locator(f"#{wrong}")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("[aria-invalid]")).to_have_count(1)
    page.click("[data-sample=general]")
    page.fill("#top-n", "")
    visit.rank()
    expect(page.locator("#failure")).to_be_hidden()
    expect(page.locator("[aria-invalid]")).to_have_count(0)


def test_broken_json_is_told_with_its_line(quick: Visit) -> None:
    quick.page.fill("#documents", '{"text": "fine"}\n{"text": }')
    quick.page.click("#rank")
    expect(quick.page.get_by_role("alert")).to_contain_text("line 2 is no JSON")
    expect(quick.page.locator("#documents")).to_have_attribute("aria-invalid", "true")


def test_a_call_can_be_left_and_another_takes_its_place(quick: Visit) -> None:
    page = quick.page

    def never_answer(_: Route) -> None: ...

    page.route("**/api/v1/rerank", never_answer)
    page.click("#rank")
    expect(page.locator("#results")).to_have_attribute("aria-busy", "true")
    page.click("#rank-cancel")
    expect(page.locator("#said")).to_have_text("Cancelled.")
    expect(page.locator("#rank-cancel")).to_be_hidden()
    expect(page.locator("#rank")).to_be_focused()
    page.click("#rank")
    page.unroute("**/api/v1/rerank")
    quick.rank(query="beta", documents="alpha\nbeta")
    assert page.locator("#after .text").first.inner_text() == "beta"
    expect(page.locator("#said")).to_have_text(re.compile("2 documents scored"))
    expect(page.locator("[aria-pressed=true]")).to_have_count(0)


def test_a_proxy_may_serve_the_page_below_a_path(quick: Visit) -> None:
    asked: list[str] = []

    def pass_on(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(response=route.fetch(url=route.request.url.replace("/tools/rank", "")))

    quick.page.route("**/*", pass_on)
    quick.page.goto(f"{quick.url}/tools/rank/")
    expect(quick.page.locator("#state")).to_have_attribute("data-state", "ready")
    quick.rank()
    assert f"{quick.url}/tools/rank/api/v1/rerank" in asked
    assert all("/tools/rank/" in url for url in asked)
    expect(quick.page.locator("#code")).to_contain_text(f"'{quick.url}/tools/rank/api/v1/rerank'")


def test_a_failure_of_the_server_tells_how_to_find_it(browser: Browser) -> None:
    with http_server(faulty=True) as faulty, visiting(browser, faulty.http_url) as visit:
        with visit.page.expect_response("**/api/v1/rerank") as got:
            visit.page.fill("#query", "fail with OverloadedError")
            visit.page.click("#rank")
        alert = visit.page.get_by_role("alert")
        expect(alert).to_contain_text("OVERLOADED")
        expect(alert).to_contain_text("what happened; what to do")
        expect(alert).to_contain_text("The server asks to wait 1.5")
        expect(alert).to_contain_text(got.value.headers["x-request-id"])


def test_a_server_that_went_away_is_said_so_and_nothing_is_lost(browser: Browser) -> None:
    with http_server() as process, visiting(browser, process.http_url) as visit:
        visit.page.fill("#query", "what I typed")
        process.stop()
        visit.page.click("#rank")
        expect(visit.page.get_by_role("alert")).to_contain_text("cannot be reached")
        expect(visit.page.locator("#state")).to_have_text("server away")
        assert visit.page.input_value("#query") == "what I typed"
        # When it is back the page knows by itself.
        port = int(process.http_url.rsplit(":", 1)[1])
        with http_server(http_port=port):
            expect(visit.page.locator("#state")).to_have_attribute("data-state", "ready")
            visit.rank()


def test_a_key_is_asked_for_and_stays_in_the_tab(browser: Browser, tmp_path: Path) -> None:
    right, file = generate(), tmp_path / "keys.toml"
    file.write_text(line_of("search", KeyRecord(sha256=digest_of(right))))
    with (
        http_server(auth__keys_file=str(file)) as process,
        visiting(browser, process.http_url, ready=False) as visit,
    ):
        page = visit.page
        dialog = page.get_by_role("dialog", name="A key of this server")
        expect(dialog).to_contain_text("send a key as")
        expect(page.locator("#key-input")).to_be_focused()
        page.keyboard.type("wrong")
        page.keyboard.press("Enter")
        expect(dialog).to_contain_text("this key is not known here")
        page.keyboard.type(right)
        page.keyboard.press("Enter")
        expect(dialog).to_be_hidden()
        expect(page.locator("#state")).to_have_attribute("data-state", "ready")
        with page.expect_request("**/api/v1/rerank") as sent:
            visit.rank()
        assert sent.value.headers["authorization"] == f"Bearer {right}"
        # Reloading keeps it, another tab has none, and it is in no cookie, page or lasting store.
        page.reload()
        expect(page.locator("#state")).to_have_attribute("data-state", "ready")
        assert right not in page.content()
        assert right not in page.evaluate("JSON.stringify(localStorage) + document.cookie")
        expect(page.locator("#code")).to_contain_text("$RERANKD_TOKEN")
        assert right not in page.locator("#code").inner_text()
        page.click("#key")
        page.click("#key-forget")
        expect(page.locator("#code")).not_to_contain_text("$RERANKD_TOKEN")
        expect(page.locator("#state")).to_have_text("UNAUTHENTICATED")
        assert page.evaluate("sessionStorage.length") == 0
        other = visit.context.new_page()
        other.goto(visit.url)
        expect(other.get_by_role("dialog")).to_be_visible()
