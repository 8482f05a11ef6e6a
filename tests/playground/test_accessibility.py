"""The page for everybody: names, keyboard, contrast, themes, motion, and any width."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from support.browser import Visit, visiting
from support.servers import ServerProcess

CONTROLS = {"button", "textbox", "combobox", "spinbutton", "checkbox", "tab", "link", "progressbar", "dialog"}
REGIONS = {"form", "region", "list", "tablist", "tabpanel", "group"}
LONG_WORD = "x" * 300

_CONTRASTS = (Path(__file__).parent / "contrasts.js").read_text(encoding="utf-8")
_UNLABELLED = """[...document.querySelectorAll("input, select, textarea")]
    .filter((each) => !each.labels.length).map((each) => each.id)"""
_REFERENCES = """(name) => [...document.querySelectorAll(`[${name}]`)]
    .flatMap((each) => each.getAttribute(name).split(" "))"""
_FOCUS = """() => {
    const at = document.activeElement;
    return [at.id, Number.parseFloat(getComputedStyle(at).outlineWidth)];
}"""
_OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def fill_the_page(visit: Visit) -> None:
    """Every kind of thing that the page can show: moves, cuts, passages, an error."""
    page = visit.page
    page.click("[data-sample=long]")
    visit.rank()
    page.check("#logits")
    page.fill("#max-tokens", "-1")
    page.click("#rank")
    expect(page.get_by_role("alert")).to_contain_text("INVALID_REQUEST")


def tree_of(page: Page) -> list[dict[str, Any]]:
    """What a screen reader is told: role, name and whether it is hidden."""
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    session.detach()
    return [
        {"role": node["role"]["value"], "name": node.get("name", {}).get("value", "").strip()}
        for node in nodes
        if not node.get("ignored") and "role" in node
    ]


@pytest.mark.parametrize("tab", ["rank", "stream"])
def test_every_control_and_region_has_a_name(visit: Visit, tab: str) -> None:
    fill_the_page(visit)
    visit.page.click(f"#tab-{tab}")
    nodes = tree_of(visit.page)
    named = [node for node in nodes if node["role"] in CONTROLS | REGIONS]
    assert not [node for node in named if not node["name"] and node["role"] != "group"]
    found = {node["role"] for node in named}
    assert {"button", "combobox", "tab", "tabpanel", "link"} <= found
    # A placeholder is no label.
    unlabelled = visit.page.evaluate(_UNLABELLED)
    assert unlabelled == []


def test_the_structure_is_plain(visit: Visit) -> None:
    page = visit.page
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.locator("h1").count() == 1
    for landmark in ("banner", "main", "contentinfo"):
        assert page.get_by_role(landmark).count() == 1
    ids: list[str] = page.evaluate("[...document.querySelectorAll('[id]')].map((each) => each.id)")
    assert len(ids) == len(set(ids))
    for attribute in ("aria-labelledby", "aria-describedby", "aria-controls", "for"):
        used: list[str] = page.evaluate(_REFERENCES, attribute)
        assert set(used) <= set(ids), attribute


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_stand_out_from_what_is_behind_them(
    browser: Browser, server: ServerProcess, scheme: str
) -> None:
    with visiting(browser, server.http_url, color_scheme=scheme, reduced_motion="reduce") as visit:
        fill_the_page(visit)
        found = visit.page.evaluate(_CONTRASTS)
        visit.page.click("#tab-stream")
        visit.page.select_option("#stream-count", "1000")
        visit.page.click("#stream-start")
        expect(visit.page.locator("#stream-said")).to_have_text(re.compile("scored in"))
        found += visit.page.evaluate(_CONTRASTS)
        visit.page.click("#key")
        found += visit.page.evaluate(_CONTRASTS)
        assert len(found) > 120
        assert not [each for each in found if each[0] < 4.5]


def test_themes_follow_the_system_until_one_is_chosen(browser: Browser, server: ServerProcess) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    with visiting(browser, server.http_url, color_scheme="dark") as visit:
        page = visit.page
        dark = page.evaluate(background)
        page.emulate_media(color_scheme="light")
        light = page.evaluate(background)
        assert light != dark
        button = page.get_by_role("button", name="Switch to the dark theme")
        button.click()
        assert page.evaluate(background) == dark
        expect(page.locator("#theme")).to_have_attribute("aria-label", "Switch to the light theme")
        page.reload()
        assert page.evaluate(background) == dark
        page.get_by_role("button", name="Switch to the light theme").click()
        page.emulate_media(color_scheme="dark")
        assert page.evaluate(background) == light


def press_until(page: Page, name: str, key: str = "Tab", most: int = 60) -> None:
    """Moves the focus to the element with this id; each stop on the way has to be seen."""
    for _ in range(most):
        page.keyboard.press(key)
        at, outline = page.evaluate(_FOCUS)
        assert outline >= 2, f"the focus on {at} cannot be seen"
        if at == name:
            return
    raise AssertionError(f"{name} was not reached")


def test_everything_can_be_done_by_keyboard(visit: Visit) -> None:
    page = visit.page
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    expect(page.locator(".skip")).to_be_in_viewport()
    page.keyboard.press("Enter")
    press_until(page, "query")
    page.keyboard.press("Control+A")
    page.keyboard.type("why do cats purr")
    press_until(page, "documents")
    page.keyboard.press("Control+A")
    page.keyboard.insert_text("dogs bark\ncats purr when they are content\ntrains run late")
    # The answer comes without leaving the text.
    page.keyboard.press("Control+Enter")
    expect(page.locator("#said")).to_have_text(re.compile("3 documents scored by"))
    expect(page.locator("#documents")).to_be_focused()
    assert page.locator("#after .text").first.inner_text() == "cats purr when they are content"
    press_until(page, "rank")
    page.keyboard.press("Enter")
    expect(page.locator("#facts")).to_contain_text(re.compile(r"Cache hits\s*3"))
    press_until(page, "logits")
    page.keyboard.press("Space")
    expect(page.locator("#after .logit").first).to_be_visible()
    press_until(page, "language-curl")
    for key, language in (
        ("ArrowRight", "grpcurl"),
        ("End", "cohere"),
        ("ArrowRight", "curl"),
        ("ArrowLeft", "cohere"),
    ):
        page.keyboard.press(key)
        expect(page.locator(f"#language-{language}")).to_be_focused()
        expect(page.locator(f"#language-{language}")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#code")).to_contain_text("cohere.ClientV2")
    page.keyboard.press("Home")
    press_until(page, "tab-rank", "Shift+Tab")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tabpanel", name="Stream 10,000")).to_be_visible()
    press_until(page, "stream-start")


def test_the_dialog_keeps_and_gives_back_the_focus(visit: Visit) -> None:
    page = visit.page
    page.locator("#key").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#key-input")).to_be_focused()
    for _ in range(6):
        page.keyboard.press("Tab")
        assert page.evaluate(
            "document.activeElement === document.body || Boolean(document.activeElement.closest('dialog'))"
        )
    page.keyboard.press("Escape")
    expect(page.locator("#key-dialog")).to_be_hidden()
    expect(page.locator("#key")).to_be_focused()


def test_what_happens_is_said_to_those_who_do_not_see_it(visit: Visit) -> None:
    for name in ("said", "stream-said", "copied", "state"):
        assert visit.page.locator(f"#{name}").get_attribute("role") == "status"
    visit.rank()
    assert re.fullmatch(r"10 documents scored by rerankd/mini-en in [\d.]+ m?s\.", visit.text_of("said"))
    assert visit.page.locator("#results").get_attribute("aria-busy") == "false"


def test_motion_is_left_out_for_who_asks(browser: Browser, server: ServerProcess) -> None:
    durations = []
    for choice in ("no-preference", "reduce"):
        with visiting(browser, server.http_url, reduced_motion=choice) as visit:
            visit.rank()
            bar = visit.page.locator("#after .filled").first
            durations.append(bar.evaluate("(each) => getComputedStyle(each).transitionDuration"))
    assert durations == ["0.25s", "0s"]


@pytest.mark.parametrize("width", [360, 390, 768, 1120, 1440, 2560])
def test_no_width_needs_sideways_scrolling(browser: Browser, server: ServerProcess, width: int) -> None:
    with visiting(browser, server.http_url, viewport={"width": width, "height": 844}) as visit:
        visit.rank(
            query=LONG_WORD, documents=f'{{"id": "{LONG_WORD}", "text": "{LONG_WORD}"}}\n{{"text": "b"}}'
        )
        visit.page.check("#logits")
        assert visit.page.evaluate(_OVERFLOW) == 0
        fill_the_page(visit)
        assert visit.page.evaluate(_OVERFLOW) == 0
        visit.page.click("#tab-stream")
        assert visit.page.evaluate(_OVERFLOW) == 0
        visit.page.click("#key")
        assert visit.page.evaluate(_OVERFLOW) == 0


def test_controls_are_large_enough_for_a_finger(browser: Browser, server: ServerProcess) -> None:
    with visiting(browser, server.http_url, viewport={"width": 390, "height": 844}, has_touch=True) as visit:
        fill_the_page(visit)
        # 24 by 24 is what WCAG 2.2 asks for; a box is pressed by its label as well.
        small = visit.page.evaluate(
            """[...document.querySelectorAll("button, select, textarea, input:not([type=checkbox])")]
                .map((each) => [each.id, each.getBoundingClientRect()])
                .filter(([, { width, height }]) => width > 0 && (width < 24 || height < 24))
                .map(([id]) => id)"""
        )
        assert small == []
