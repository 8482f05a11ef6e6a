"""The fenced blocks of a Markdown page, and the commands of a block."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^```(\w*)\s*$")
_HEADING = re.compile(r"^#+ +(.*?)\s*$")
_COMMENT = re.compile(r"(?:^|\s+)#\s.*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """What stands between two fences."""

    line: int
    """Of its first fence, counted from 1."""
    section: str
    """The heading that it stands under."""
    language: str
    text: str


def blocks_of(page: Path) -> list[Block]:
    """All blocks, in the order of the page."""
    found, section, opened = list[Block](), "", 0
    language, lines = "", list[str]()
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if opened and line.strip() == "```":
            text = "\n".join(lines) + "\n"
            found.append(Block(line=opened, section=section, language=language, text=text))
            opened, lines = 0, []
        elif opened:
            lines.append(line)
        elif fence := _FENCE.match(line):
            opened, language = number, fence[1]
        elif heading := _HEADING.match(line):
            section = heading[1]
    assert not opened, f"{page}:{opened}: the fence is never closed"
    return found


def commands_of(text: str) -> Iterator[str]:
    """The commands of a block as a shell reads them: each as many lines as belong together."""
    waiting = ""
    for line in text.splitlines():
        if not waiting and (not line.strip() or line.lstrip().startswith("# ")):
            continue
        waiting += line + "\n"
        if line.endswith("\\") or not _is_complete(waiting):
            continue
        yield waiting.strip()
        waiting = ""
    assert not waiting, f"no shell could read this to its end:\n{waiting}"


def _is_complete(text: str) -> bool:
    return subprocess.run(["bash", "-n", "-c", text], capture_output=True, check=False).returncode == 0


def bare(command: str) -> str:
    """A command without the remark that follows it, which is how the tables name it."""
    return command if "\n" in command else _COMMENT.sub("", command).strip()
