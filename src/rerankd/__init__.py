"""rerankd: reranks the candidates of a search by how well each answers the query."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rerankd.backends.plugin.protocol import Plugin

__version__ = "0.4.0"


def register_backend(plugin: Plugin) -> None:
    """Offers somebody's own code as a model of the server that this process is going to run.

    Requests name it by `plugin.name()`. It is initialized when it is first asked for, or at start if it is
    the default model. See `rerankd.backends.plugin.Plugin` for what a plugin is.

    Raises:
        TypeError: It has no `name` or no `rerank`.
        ValueError: Its name is none of a model, or another plugin has it.
    """
    from rerankd.backends.plugin.registration import register_backend as register

    register(plugin)
