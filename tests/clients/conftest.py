"""Each client is built once; what became of each language's own tests is said at the end."""

from __future__ import annotations

import pytest
from support.languages import LANGUAGES, Client, require

SUMMARIES = pytest.StashKey[dict[str, str]]()


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Client]:
    """The clients that have been built so far, by language."""
    return {}


@pytest.fixture(params=LANGUAGES)
def client(
    request: pytest.FixtureRequest, built: dict[str, Client], tmp_path_factory: pytest.TempPathFactory
) -> Client:
    """Each language's client."""
    name: str = request.param
    require(name)
    if name not in built:
        built[name] = LANGUAGES[name].build(tmp_path_factory.mktemp(name))
    return built[name]


@pytest.fixture(scope="session")
def summaries(pytestconfig: pytest.Config) -> dict[str, str]:
    """One line for each language, printed at the end of the run."""
    return pytestconfig.stash.setdefault(SUMMARIES, {})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Prints the lines of `summaries`."""
    lines = config.stash.get(SUMMARIES, {})
    if lines:
        terminalreporter.section("clients")
        for name, line in lines.items():
            terminalreporter.write_line(f"{name:11} {line}")
