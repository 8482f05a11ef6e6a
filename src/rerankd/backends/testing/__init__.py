"""What every backend must pass, also one that lives outside this repository.

A test module of the backend derives a class, and pytest finds the checks:

    class TestMyBackend(BackendAcceptance):
        def make_backend(self) -> Backend:
            return MyBackend(...)

`BackendAcceptance` is for a model in this process, `TextBackendAcceptance` for what is handed texts, and
`PluginAcceptance` for a plugin. Each check opens a backend, uses it as the core does and closes it. pytest is
not imported here, nor any plugin of it needed, and a check that fails says what is demanded.
"""

from rerankd.backends.testing.local import BackendAcceptance
from rerankd.backends.testing.plugin import PluginAcceptance
from rerankd.backends.testing.text import TextBackendAcceptance

__all__ = ["BackendAcceptance", "PluginAcceptance", "TextBackendAcceptance"]
