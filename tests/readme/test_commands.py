"""Every block of the README and the other `PAGES` does what it says: run as pasted, its output compared."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from blocks import Block, bare, blocks_of, commands_of
from exceptions import BEFORE, FOLDERS, FRAGMENTS, INSTEAD, NOT_COMPILED, SERVES
from outputs import is_shown
from programs import OUTPUT, PROGRAMS, SHELLS
from sections import Ports, Ran, run_section
from support.servers import free_port

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
PAGES = (
    README,
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "clients").glob("README.md")),
    *sorted((ROOT / "clients").glob("*/README.md")),
    ROOT / "examples" / "two_stage" / "README.md",
)


def sections() -> list[tuple[Path, str]]:
    return list(dict.fromkeys((page, block.section) for page in PAGES for block in blocks_of(page)))


def blocks_in(page: Path, section: str) -> list[Block]:
    return [block for block in blocks_of(page) if block.section == section]


def starts_a_server(blocks: list[Block]) -> bool:
    """Whether a section brings its own; the others call the one that the first section has started."""
    commands = [
        bare(each) for block in blocks if block.language in SHELLS for each in commands_of(block.text)
    ]
    return any(command in SERVES or command.endswith(" &") for command in commands)


# Go and Java compile, npm installs.
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("page", "section"),
    sections(),
    ids=lambda part: str(part.relative_to(ROOT)) if isinstance(part, Path) else part,
)
def test_every_block_works_as_pasted(
    page: Path, section: str, clone: Path, environment: dict[str, str], request: pytest.FixtureRequest
) -> None:
    blocks = blocks_in(page, section)
    if not starts_a_server(blocks):
        ports: Ports = request.getfixturevalue("started")
    else:
        ports = Ports(grpc=free_port(), http=free_port())
        environment = environment | {
            "RERANKD_GRPC_PORT": str(ports.grpc),
            "RERANKD_HTTP_PORT": str(ports.http),
        }
    folder = FOLDERS.get(str(page.relative_to(ROOT)), ".")
    compare(blocks, run_section(clone, blocks, ports, environment, folder))


def compare(blocks: list[Block], ran: list[Ran]) -> None:
    """Holds what commands printed against the blocks of output among them."""
    outputs = {each.block: each.output for each in ran}
    before: Block | None = None
    for block in blocks:
        if block.language != OUTPUT:
            before = block
        elif before is not None:
            assert is_shown(block.text, outputs[before]), f"line {block.line}: it prints\n{outputs[before]}"
        else:
            programs = [each for each in outputs if each.language in PROGRAMS]
            assert programs, f"line {block.line}: the output of nothing"
            for each in programs:
                assert is_shown(block.text, outputs[each]), f"line {each.line}: it prints\n{outputs[each]}"


def test_the_tables_name_only_what_the_pages_say() -> None:
    said = {
        bare(command)
        for page in PAGES
        for block in blocks_of(page)
        if block.language in SHELLS
        for command in commands_of(block.text)
    }
    assert {*INSTEAD, *SERVES, *BEFORE} - said == set()
    texts = [block.text for page in PAGES for block in blocks_of(page)]
    assert [each for each in (*FRAGMENTS, *NOT_COMPILED) if not any(t.startswith(each) for t in texts)] == []
    assert {*FOLDERS} <= {str(page.relative_to(ROOT)) for page in PAGES}


def test_a_command_with_neither_a_run_nor_a_reason_fails(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# One\n\n```bash\nfalse # ever\n```\n\n# Two\n\n```cobol\nSTOP RUN.\n```\n", encoding="utf-8"
    )
    fails, unknown = blocks_of(page)
    ports = Ports(grpc=1, http=1)
    with pytest.raises(AssertionError, match="line 3, exit status 1"):
        run_section(tmp_path, [fails], ports, {})
    with pytest.raises(AssertionError, match="nothing runs a block of cobol"):
        run_section(tmp_path, [unknown], ports, {})


def test_commands_are_parted_as_a_shell_parts_them() -> None:
    text = "a 'x\n y' \\\n  b   # not c\n\n# a remark\nc   # why\n(d &&\n  e)\n"
    assert [bare(command) for command in commands_of(text)] == [
        "a 'x\n y' \\\n  b   # not c",
        "c",
        "(d &&\n  e)",
    ]


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("1 0.81", "1 0.8137", True),
        ("1 0.81", "1 0.84", False),
        ("1 0.81", "2 0.81", False),
        ("1 0.81", "1 0.81\nmore", False),
        ("a  b 0.5", "a b 0.501", True),
        ("1 0.81", "\x1b[0m1 0.81\n\x1b[0m", True),
    ],
)
def test_output_is_compared_to_two_digits(shown: str, printed: str, same: bool) -> None:
    assert is_shown(shown, printed) is same


@pytest.mark.slow
def test_the_picture_shows_what_the_command_prints(clone: Path, environment: dict[str, str]) -> None:
    ports = {"RERANKD_GRPC_PORT": str(free_port()), "RERANKD_HTTP_PORT": str(free_port())}
    done = subprocess.run(
        [".venv/bin/python", "scripts/capture", "--check"],
        cwd=clone,
        env=environment | ports,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def measuring_commands() -> list[str]:
    """The commands in the last column of the table of measurements."""
    text = README.read_text(encoding="utf-8")
    rows = re.findall(r"^\| .* \| (.*) \|$", text[text.index("\n## Measured\n") :], re.MULTILINE)
    commands = [command for row in rows for command in re.findall(r"`([^`]+)`", row)]
    assert len(commands) > 5
    return list(dict.fromkeys(commands))


@pytest.mark.parametrize("command", measuring_commands())
def test_a_measurement_can_be_started(command: str) -> None:
    """They run for minutes: what is checked is that the program and the options that are named are there."""
    words = [word for word in command.split() if word not in (".venv/bin/python", ".venv/bin/pytest")]
    program, options = words[0], [word.partition("=")[0] for word in words[1:] if word.startswith("--")]
    assert (ROOT / program).exists(), command
    if program.startswith("scripts/bench/"):
        done = subprocess.run(
            [sys.executable, program, "--help"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        assert [option for option in options if option not in done.stdout] == []
