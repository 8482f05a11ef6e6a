"""Blocks of programming languages as commands: what a reader would put around them, and how it is run."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

GO_IMPORTS = {
    "context": '"context"',
    "errors": '"errors"',
    "fmt": '"fmt"',
    "log": '"log"',
    "os": '"os"',
    "time": '"time"',
    "rerankd": 'rerankd "github.com/rerankd/rerankd/clients/go"',
    "rerankdv1": 'rerankdv1 "github.com/rerankd/rerankd/clients/go/rerankd/v1"',
}


def python(root: Path, text: str, number: int) -> str:
    (root / f"block_{number}.py").write_text(text, encoding="utf-8")
    return f".venv/bin/python block_{number}.py"


def go(root: Path, text: str, number: int) -> str:
    folder = root / "clients" / "go" / "examples" / f"block_{number}"
    folder.mkdir()
    if not text.startswith("package "):
        used = [path for name, path in GO_IMPORTS.items() if re.search(rf"(?<![\w.]){name}\.", text)]
        text = "package main\n\nimport (\n{}\n)\n\nfunc main() {{\n{}}}\n".format("\n".join(used), text)
    (folder / "main.go").write_text(text, encoding="utf-8")
    return f"(cd clients/go && go run ./examples/block_{number})"


def java(root: Path, text: str, number: int) -> str:
    package, name = "io.rerankd.examples", f"Block{number}"
    folder = root / "clients" / "java" / "src" / "test" / "java" / Path(*package.split("."))
    if "class " not in text:
        imports = "import io.rerankd.client.*;\nimport io.rerankd.v1.*;\n"
        text = (
            f"{imports}public class {name} {{\n  public static void main(String[] args) {{\n{text}  }}\n}}\n"
        )
    text = re.sub(r"public class \w+", f"public class {name}", text)
    (folder / f"{name}.java").write_text(f"package {package};\n\n{text}", encoding="utf-8")
    return (
        "(cd clients/java && mvn -q -B test-compile exec:java -Dexec.classpathScope=test"
        f" -Dexec.mainClass={package}.{name})"
    )


def typescript(root: Path, text: str, number: int) -> str:
    # JavaScript too, as long as it names no types; the compiler checks it either way.
    (root / "clients" / "typescript" / "examples" / f"block_{number}.mjs").write_text(text, encoding="utf-8")
    return (
        "(cd clients/typescript && { [ -d node_modules ] || npm ci --no-audit --no-fund >&2; }"
        f" && npm run build >&2 && npm run check >&2 && node examples/block_{number}.mjs)"
    )


PROGRAMS: dict[str, Callable[[Path, str, int], str]] = {
    "python": python,
    "go": go,
    "java": java,
    "ts": typescript,
}
SHELLS = {"bash", "sh"}
OUTPUT = "text"
"""A block of what the command before it prints; before any command, of what each program of the section
does."""
