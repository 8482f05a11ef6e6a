"""The calls that the page shows, copied and run: each gives the ranking that the page has."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from support.browser import Visit, visiting
from support.go_tools import program
from support.languages import CLIENTS, build_java, install_packages, require
from support.sdk_environments import python_of
from support.servers import ServerProcess

# What a shell, a string or a reader could take for something else.
QUERY = 'what\'s a "quoted" $HOME `id` \\ query? %s'
NASTY = [
    "plain text about a quoted query",
    "it's 'single' and \"double\", $HOME and $(id) and `id`, \\n and \\u0041 and %d",
    "JSON\n'''\n\"\"\"\n*/ // # --\t\x07end",
    "\N{CROISSANT} \u202egnirts\u202c \u2028 \ufeff \u05e9\u05dc\u05d5\u05dd",
    "",
]
TEXTS = "\n".join(
    json.dumps(text) if index else json.dumps({"text": text}) for index, text in enumerate(NASTY)
)
FIELDS = {"title": 'a "query" $HOME', "tags": ["x", None, True, 7, 0.25], "more": {"a": "b"}}
RECORDS = ",".join(
    json.dumps(document)
    for document in (
        {"id": 'it\'s "one"', "text": "query", "original_score": 0.5},
        {"id": "two", "fields": FIELDS},
        {"text": "quoted"},
    )
)
LANGUAGES = ("curl", "grpcurl", "python", "go", "java", "typescript", "cohere")


@pytest.fixture(scope="module")
def copied(browser: Browser, server: ServerProcess) -> Callable[[str, str], tuple[str, list[str]]]:
    """From a language and documents to the copied text, and the scores that the page shows."""

    def copy(language: str, documents: str) -> tuple[str, list[str]]:
        with visiting(browser, server.http_url, permissions=["clipboard-read", "clipboard-write"]) as visit:
            page = visit.page
            page.fill("#top-n", "4")
            page.fill("#max-tokens", "100")
            if language != "cohere":
                page.select_option("#long-document", "LONG_DOCUMENT_BEST_PASSAGE")
            visit.rank(query=QUERY, documents=f"[{documents}]")
            scores = page.locator("#after .value").all_inner_texts()
            return copy_of(visit, language), scores

    return copy


def copy_of(visit: Visit, language: str) -> str:
    page = visit.page
    page.click(f"[data-language={language}]")
    page.click("#copy")
    expect(page.locator("#copied")).to_contain_text("Copied for")
    text: str = page.evaluate("navigator.clipboard.readText()")
    assert text == page.locator("#code").text_content()
    return text


def run(command: list[str], *, cwd: Path, text: str | None = None, **env: str) -> str:
    done = subprocess.run(
        command, cwd=cwd, input=text, env={**os.environ, **env}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run_copied(language: str, text: str, folder: Path, target: str) -> list[str]:
    """The scores that the copied call prints."""
    if language in ("curl", "grpcurl"):
        path = os.environ["PATH"]
        if language == "grpcurl":
            path = f"{program('grpcurl').parent}{os.pathsep}{path}"
        answer = json.loads(run(["bash", "-euo", "pipefail", "-c", text], cwd=folder, PATH=path))
        return [f"{result['score']:.4f}" for result in answer["results"]]
    # The page cannot know the port of a test's server beforehand, but it does tell the right one.
    assert language == "cohere" or target.split(":")[1] in text
    return re.findall(r"(?<![\d.])-?\d\.\d{4}\b", RUNNERS[language](text, folder))


def run_python(text: str, folder: Path) -> str:
    return run([sys.executable, "-c", text], cwd=folder)


def run_cohere(text: str, folder: Path) -> str:
    return run([str(python_of("cohere")), "-c", text], cwd=folder)


def run_go(text: str, folder: Path) -> str:
    require("go")
    source = folder / "rank.go"
    source.write_text(text, encoding="utf-8")
    return run(["go", "run", str(source)], cwd=CLIENTS / "go")


def run_java(text: str, folder: Path) -> str:
    require("java")
    classpath = build_java(folder).plain[2]
    source = folder / "Rank.java"
    source.write_text(text, encoding="utf-8")
    return run(["java", "-cp", classpath, str(source)], cwd=folder)


def run_typescript(text: str, folder: Path) -> str:
    require("typescript")
    install_packages(CLIENTS / "typescript")
    run(["npm", "run", "build"], cwd=CLIENTS / "typescript")
    modules = folder / "node_modules"
    modules.mkdir(exist_ok=True)
    (modules / "rerankd-client").unlink(missing_ok=True)
    (modules / "rerankd-client").symlink_to(CLIENTS / "typescript")
    (folder / "rank.mjs").write_text(text, encoding="utf-8")
    return run(["node", "rank.mjs"], cwd=folder)


RUNNERS = {
    "python": run_python,
    "go": run_go,
    "java": run_java,
    "typescript": run_typescript,
    "cohere": run_cohere,
}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_copied_call_ranks_as_the_page_does(
    copied: Callable[[str, str], tuple[str, list[str]]],
    server: ServerProcess,
    tmp_path: Path,
    language: str,
) -> None:
    for documents in (TEXTS, RECORDS):
        text, scores = copied(language, documents)
        # Nothing that reorders what is shown, or that nobody sees, is in what is copied.
        assert not re.search("[\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]", text)
        assert run_copied(language, text, tmp_path, server.target) == scores, text


@pytest.mark.parametrize("language", LANGUAGES)
def test_defaults_are_left_out(visit: Visit, language: str) -> None:
    visit.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visit.page.fill("#documents", "one\ntwo")
    text = copy_of(visit, language).lower()
    assert "why is the sky red at sunset" in text
    assert not [name for name in ("top", "long", "max", "token") if name in text]


def test_without_a_clipboard_the_text_is_selected_and_copied(visit: Visit) -> None:
    page = visit.page
    visit.context.grant_permissions(["clipboard-read"])
    # As on a page of plain HTTP that is not of this machine.
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('not here')); }")
    page.click("#copy")
    expect(page.locator("#copied")).to_have_text("Copied for curl.")
    assert page.evaluate("navigator.clipboard.readText()").strip() == visit.text_of("code").strip()
