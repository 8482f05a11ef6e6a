"""`python -m rerankd` is the command `rerankd`."""

from __future__ import annotations

from rerankd.cli import main

main()
