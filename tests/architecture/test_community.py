"""What the forge reads of a repository is there and has the form that it asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
ELEMENTS = {"checkboxes", "dropdown", "input", "markdown", "textarea"}


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_there_is_a_form_for_each_kind_of_issue() -> None:
    assert {form.stem for form in FORMS} == {"bug", "feature", "question", "config"}
    assert load(ROOT / ".github" / "ISSUE_TEMPLATE" / "config.yml") == {"blank_issues_enabled": False}


@pytest.mark.parametrize(
    "form", [form for form in FORMS if form.stem != "config"], ids=lambda form: form.stem
)
def test_a_form_has_what_the_forge_asks_for(form: Path) -> None:
    read = load(form)
    assert {"name", "description", "labels", "body"} == set(read)
    fields = [element for element in read["body"] if element["type"] != "markdown"]
    assert {element["type"] for element in read["body"]} <= ELEMENTS
    ids = [field["id"] for field in fields]
    assert len(ids) == len(set(ids))
    for element in read["body"]:
        required = "value" if element["type"] == "markdown" else "label"
        assert element["attributes"][required].strip()
    for field in fields:
        assert isinstance(field["validations"]["required"], bool)
        if field["type"] == "dropdown":
            options = field["attributes"]["options"]
            assert options
            assert len(options) == len(set(options))
    assert any(field["validations"]["required"] for field in fields)


@pytest.mark.parametrize(
    "name", ["CONTRIBUTING.md", "SECURITY.md", ".github/PULL_REQUEST_TEMPLATE.md", "LICENSE"]
)
def test_a_page_fits_its_purpose(name: str) -> None:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    # One screen, but for the licence.
    assert 8 <= len(lines) <= (50 if name != "LICENSE" else 250)
