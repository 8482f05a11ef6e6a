"""The command `rerankd`; `rerankd.cli._app` lists what it can do."""

from __future__ import annotations

import importlib.util
import sys

NEEDED = ("click", "prometheus_client", "rich")


def main() -> None:
    """Runs the command line of this process and exits with its status."""
    if any(importlib.util.find_spec(name) is None for name in NEEDED):
        sys.stderr.write(
            "rerankd: the command line needs more packages: pip install 'rerankd[cli]' to talk to a server, "
            "'rerankd[server]' to run one\n"
        )
        sys.exit(1)
    from rerankd.cli._app import app
    from rerankd.core.native_threads import end_process_if_any

    try:
        app()
    except SystemExit as end:
        # A command that Ctrl-C ended can leave the load of a model behind.
        if isinstance(end.code, int):
            end_process_if_any(end.code)
        raise
