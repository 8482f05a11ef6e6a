from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.plugins import AsyncPlugin

from rerankd.backends.base import TextCall
from rerankd.backends.plugin import PluginModels, PluginRegister
from rerankd.core.errors import ModelFailedError, ModelNotFoundError

Install = Callable[..., None]

MODULE = """
import sys
class Plugin:
    def name(self): return {name!r}
    def version(self): return "2.0"
    async def rerank(self, query, documents): return [float(len(d)) for d in documents]
ready = Plugin()
def make(): return Plugin()
def fail(): raise OSError("/secret/path")
def leave(): sys.exit(3)
nothing = 7
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs a package with an entry point, as an installer leaves it."""
    monkeypatch.syspath_prepend(tmp_path)

    def installed(
        module: str, entry: str, *, value: str = "Plugin", name: str = "", version: str = "2.0"
    ) -> None:
        (tmp_path / f"{module}.py").write_text(MODULE.format(name=name or entry))
        info = tmp_path / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[rerankd.backends]\n{entry} = {module}:{value}\n")

    return installed


def models(*plugins: AsyncPlugin, allow: tuple[str, ...] = ("*",)) -> PluginModels:
    register = PluginRegister()
    for plugin in plugins:
        register.add(plugin)
    return PluginModels(allow=allow, register=register)


def no_report(*_: object) -> None:
    """A load that nobody watches."""


def test_a_registered_plugin_is_found_by_name_with_and_without_its_version() -> None:
    source = models(AsyncPlugin())
    assert source.find("shared-words") == "shared-words"
    assert source.find("shared-words@1.2.0") == "shared-words"
    assert source.find("other") is None
    assert source.find("BAAI/bge-reranker-base") is None
    assert source.aliases_of("shared-words") == ("shared-words@1.2.0",)
    assert list(source.names()) == ["shared-words"]


@pytest.mark.parametrize("wrong", ["shared-words@1.2", "shared-words@", "shared-words@1.2.0@1.2.0"])
def test_another_version_is_not_found_and_the_right_one_is_named(wrong: str) -> None:
    with pytest.raises(ModelNotFoundError, match=r"there is shared-words@1\.2\.0") as caught:
        models(AsyncPlugin()).find(wrong)
    assert caught.value.metadata == {"model": wrong}


def test_a_plugin_without_a_version_says_so() -> None:
    source = models(AsyncPlugin(version=""))
    assert source.aliases_of("shared-words") == ()
    with pytest.raises(ModelNotFoundError, match="there is shared-words without a version"):
        source.find("shared-words@1")


def test_plugins_may_be_registered_after_the_source_was_made() -> None:
    register = PluginRegister()
    source = PluginModels(allow=(), register=register)
    assert source.find("shared-words") is None
    register.add(AsyncPlugin())
    assert source.find("shared-words") == "shared-words"


@pytest.mark.parametrize("value", ["Plugin", "make", "ready"])
async def test_an_installed_plugin_is_imported_at_first_use(install: Install, value: str) -> None:
    install(f"lazy_{value.lower()}", "lazy", value=value)
    source = models()
    assert list(source.names()) == ["lazy"]
    assert source.find("lazy@2.0") == "lazy"
    assert f"lazy_{value.lower()}" not in sys.modules
    backend = source.load("lazy", no_report)
    await backend.start(no_report)
    scores = (await backend.score(TextCall(query="q", texts=["aa", "a"], timeout_seconds=9.0))).scores
    await backend.close()
    assert list(scores) == [2.0, 1.0]
    assert (backend.description.id, backend.description.revision) == ("lazy", "2.0")


def test_only_allowed_plugins_are_there(install: Install) -> None:
    install("allowed_one", "team/one")
    install("allowed_two", "two")
    source = models(allow=("team/*",))
    assert list(source.names()) == ["team/one"]
    assert source.find("two") is None


def test_a_registered_plugin_goes_before_an_installed_one(install: Install) -> None:
    install("shadowed", "shared-words")
    source = models(AsyncPlugin())
    assert list(source.names()) == ["shared-words"]
    assert source.find("shared-words@1.2.0") == "shared-words"
    assert source.load("shared-words", no_report).description.revision == "1.2.0"
    assert "shadowed" not in sys.modules


def test_two_packages_cannot_bring_the_same_name(install: Install) -> None:
    install("twin_a", "twin")
    install("twin_b", "twin")
    with pytest.raises(ValueError, match=r"twin_. and twin_. both bring a plugin named twin"):
        models()
    assert list(models(allow=("other",)).names()) == []


@pytest.mark.parametrize(("entry", "what"), [("a@1", "version in its name"), ("a b", "no name of a model")])
def test_entry_points_that_no_request_could_name_are_refused(install: Install, entry: str, what: str) -> None:
    install("misnamed", entry)
    with pytest.raises(ValueError, match=what):
        models()


@pytest.mark.parametrize(
    ("value", "name", "message"),
    [
        ("fail", "broken", r"could not be made \(OSError\)"),
        ("leave", "broken", r"could not be made \(SystemExit\)"),
        ("missing", "broken", r"could not be made \(AttributeError\)"),
        ("nothing", "broken", r"could not be made \(TypeError\)"),
        ("Plugin", "another", "calls itself another"),
    ],
)
def test_what_cannot_be_made_is_a_failed_model(install: Install, value: str, name: str, message: str) -> None:
    install(f"broken_{value.lower()}", "broken", value=value, name=name)
    with pytest.raises(ModelFailedError, match=message) as caught:
        models().load("broken", no_report)
    assert "/secret" not in caught.value.message


def test_the_version_of_the_package_counts(install: Install, caplog: pytest.LogCaptureFixture) -> None:
    install("versioned", "versioned", version="3.1")
    source = models()
    assert source.find("versioned@3.1") == "versioned"
    with pytest.raises(ModelNotFoundError, match=r"there is versioned@3\.1"):
        source.find("versioned@2.0")
    assert source.load("versioned", no_report).description.revision == "3.1"
    assert [record.getMessage() for record in caplog.records] == [
        "plugin has another version than its package, which counts"
    ]
