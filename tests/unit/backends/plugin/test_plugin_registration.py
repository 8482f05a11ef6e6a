from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from support.plugins import Answering, AsyncPlugin, BlockingPlugin

import rerankd
from rerankd.backends.plugin import PluginIdentity, PluginRegister, identify
from rerankd.backends.plugin.registration import REGISTER


def test_a_plugin_is_offered_under_its_name() -> None:
    register, plugin = PluginRegister(), AsyncPlugin()
    register.add(plugin)
    assert register.identities() == {"shared-words": PluginIdentity(name="shared-words", version="1.2.0")}
    assert register.get("shared-words") is plugin
    assert register.get("other") is None
    assert plugin.events == []


def test_a_name_is_given_once() -> None:
    register, first = PluginRegister(), AsyncPlugin()
    register.add(first)
    with pytest.raises(ValueError, match="named shared-words is registered already"):
        register.add(AsyncPlugin(version="2"))
    assert register.get("shared-words") is first


def test_a_plugin_need_not_tell_a_version() -> None:
    assert identify(BlockingPlugin()) == PluginIdentity(name="blocking", version="")


class _NoRerank:
    def name(self) -> str:
        return "half"


class _AsyncName(BlockingPlugin):
    async def name(self) -> str:  # type: ignore[override]
        return "async"


class _NumberedVersion(BlockingPlugin):
    def version(self) -> float:
        return 1.0


@pytest.mark.parametrize(
    ("plugin", "what"),
    [
        (AsyncPlugin, "AsyncPlugin is a class; give an object"),
        (object(), "object has no method name"),
        (_NoRerank(), "_NoRerank has no method rerank"),
        (_AsyncName(), "name of _AsyncName gives a coroutine"),
        (_NumberedVersion(), "version of _NumberedVersion gives a float"),
    ],
)
def test_what_is_no_plugin_is_refused(plugin: Any, what: str) -> None:
    with pytest.raises(TypeError, match=what):
        PluginRegister().add(plugin)


@pytest.mark.parametrize("name", ["", " ", "two words", "a@1", "-a", "a/", "é", "a" * 129, "a\n"])
def test_names_that_no_request_could_write_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        PluginRegister().add(AsyncPlugin(name))


@pytest.mark.parametrize("version", ["1 2", "@", "1@2"])
def test_versions_that_no_request_could_write_are_refused(version: str) -> None:
    with pytest.raises(ValueError, match="name@version"):
        PluginRegister().add(AsyncPlugin(version=version))


def test_the_package_offers_to_its_own_process_and_stays_cheap_to_import() -> None:
    script = (
        "import sys, rerankd\n"
        "assert not {'numpy', 'grpc', 'asyncio'} & set(sys.modules)\n"
        "class Plugin:\n"
        "    def name(self): return 'mine'\n"
        "    def rerank(self, query, documents): return [0.0 for _ in documents]\n"
        "rerankd.register_backend(Plugin())\n"
        "from rerankd.backends.plugin import PluginModels\n"
        "print(PluginModels(allow=()).names())\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "['mine']"


def test_what_the_package_refuses_is_not_kept() -> None:
    with pytest.raises(ValueError, match="name"):
        rerankd.register_backend(Answering(lambda *_: [], name="not a name"))
    assert "not a name" not in REGISTER.identities()
