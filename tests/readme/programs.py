"""Blocks of programming languages as commands: what a reader would put around them, and how it is run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from blocks import Block
from exceptions import FRAGMENTS, NOT_COMPILED

GO_IMPORTS = {
    "context": '"context"',
    "errors": '"errors"',
    "fmt": '"fmt"',
    "log": '"log"',
    "os": '"os"',
    "sql": '"database/sql"',
    "time": '"time"',
    "rerankd": 'rerankd "github.com/rerankd/rerankd/clients/go"',
    "rerankdv1": 'rerankdv1 "github.com/rerankd/rerankd/clients/go/rerankd/v1"',
    "trainingv1alpha": 'trainingv1alpha "github.com/rerankd/rerankd/clients/go/rerankd/training/v1alpha"',
}
JAVA_IMPORTS = (
    "io.grpc.ClientInterceptor",
    "io.rerankd.client.*",
    "io.rerankd.v1.*",
    "java.nio.file.*",
    "java.time.Duration",
    "java.util.*",
    "java.util.concurrent.*",
    "java.util.stream.Stream",
)
JAVA_PACKAGE = "io.rerankd.examples"


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A block of a programming language, in a clone."""

    root: Path
    text: str
    number: int
    given: str | None
    """What has been declared before, of a part of a program; such a part is compiled and not run."""


def python(program: Program) -> str:
    (program.root / f"block_{program.number}.py").write_text(program.text, encoding="utf-8")
    return f".venv/bin/python block_{program.number}.py"


def go(program: Program) -> str:
    name = f"block_{program.number}"
    folder = program.root / "clients" / "go" / "examples" / name
    folder.mkdir(exist_ok=True)
    text = program.text
    if not text.startswith("package "):
        body = text if program.given is None else f"{program.given}\n{text}{_used(text)}\treturn nil\n"
        head = "func main() {" if program.given is None else "func main() {}\n\nfunc part() error {"
        imports = "\n".join(p for name, p in GO_IMPORTS.items() if re.search(rf"(?<![\w.]){name}\.", body))
        text = f"package main\n\nimport (\n{imports}\n)\n\n{head}\n{body}}}\n"
    (folder / "main.go").write_text(text, encoding="utf-8")
    return f"cd clients/go && go {'run' if program.given is None else 'vet'} ./examples/{name}"


def _used(text: str) -> str:
    """Uses the variables that a part of a program declares, which Go demands."""
    declared = re.findall(r"^(\w+(?:, \w+)*) :=", text, re.MULTILINE)
    names = {name for group in declared for name in group.split(", ")} - {"_"}
    return "".join(f"\t_ = {name}\n" for name in sorted(names))


def java(program: Program) -> str:
    name, text = f"Block{program.number}", program.text
    if program.given is not None:
        text = _java_class(
            f"  static void retryAfter(Duration delay) {{}}\n  static void goElsewhere() {{}}\n"
            f"  static void log(Object... words) {{}}\n"
            f"  static void part() throws Exception {{\n{program.given}\n{text}  }}\n"
        )
    elif "class " not in text:
        text = _java_class(f"  public static void main(String[] args) {{\n{text}  }}\n")
    text = re.sub(r"public class \w+", f"public class {name}", text)
    folder = program.root / "clients" / "java" / "src" / "test" / "java" / Path(*JAVA_PACKAGE.split("."))
    (folder / f"{name}.java").write_text(f"package {JAVA_PACKAGE};\n\n{text}", encoding="utf-8")
    goals = "test-compile"
    if program.given is None:
        goals += f" exec:java -Dexec.classpathScope=test -Dexec.mainClass={JAVA_PACKAGE}.{name}"
    return f"cd clients/java && mvn -q -B {goals}"


def _java_class(members: str) -> str:
    return "".join(f"import {each};\n" for each in JAVA_IMPORTS) + f"public class Part {{\n{members}}}\n"


def typescript(program: Program) -> str:
    examples = program.root / "clients" / "typescript" / "examples"
    ready = "cd clients/typescript && { [ -d node_modules ] || npm ci --no-audit --no-fund >&2; }"
    ready += " && npm run build >&2"
    name = f"block_{program.number}"
    if program.given is None:
        # JavaScript too, as long as it names no types; the compiler checks it either way.
        (examples / f"{name}.mjs").write_text(program.text, encoding="utf-8")
        return f"{ready} && npm run check >&2 && node examples/{name}.mjs"
    text = f"{program.given}\n{program.text}export {{}};\n"
    wanted = [each for each in ("RerankdClient", "clicked") if re.search(rf"\b{each}\b", text)]
    imported = f'import {{ {", ".join(wanted)} }} from "rerankd-client";\n'
    (examples / f"{name}.ts").write_text(imported + text, encoding="utf-8")
    options = (
        "--noEmit --strict --target es2022 --module nodenext --lib es2023,dom,esnext.disposable --types node"
    )
    return f"{ready} && npx tsc {options} examples/{name}.ts >&2"


def xml(program: Program) -> str:
    """A dependency on the Java client has the coordinates of its pom."""
    said = re.findall(r"<(?:groupId|artifactId|version)>.*>", program.text)
    return " && ".join(f"grep -F {shlex.quote(each)} clients/java/pom.xml" for each in said)


def toml(program: Program) -> str:
    (program.root / f"block_{program.number}.toml").write_text(program.text, encoding="utf-8")
    return f".venv/bin/rerankd config show --config block_{program.number}.toml"


PROGRAMS: dict[str, Callable[[Program], str]] = {
    "python": python,
    "go": go,
    "java": java,
    "ts": typescript,
    "xml": xml,
    "toml": toml,
}
SHELLS = {"bash", "sh"}
OUTPUT = "text"
"""A block of what the command before it prints; before any command, of what each program of the section
does."""


def command_of(root: Path, block: Block, text: str) -> str:
    """What runs a block of a programming language, in the root of the clone; `text` has the ports put in."""
    for beginning, instead in NOT_COMPILED.items():
        if block.text.startswith(beginning):
            return instead.check
    given = next((given for begins, given in FRAGMENTS.items() if block.text.startswith(begins)), None)
    return PROGRAMS[block.language](Program(root=root, text=text, number=block.line, given=given))
