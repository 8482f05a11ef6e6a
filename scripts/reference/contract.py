"""Pages of the gRPC contract, from the descriptors of protos/ with their comments."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
)

from reference.markdown import escaped, indented

ROOT = Path(__file__).resolve().parents[2]
# Numbers of the fields of descriptor.proto, of which the path to a comment is made.
_MESSAGES, _ENUMS, _SERVICES = 4, 5, 6
_FIELDS, _NESTED, _NESTED_ENUMS = 2, 3, 4
_PACKAGE = 2
_SINCE = re.compile(r"^Since (\d[\d.]*\d)\.$")
_FIRST = ("rerankd/v1/rerank_service.proto", "rerankd/training/v1alpha/training_service.proto")

TypePath = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file of the contract and the comments in it."""

    file: FileDescriptorProto
    comments: dict[TypePath, str]


def descriptors() -> list[Source]:
    """The files of this project's packages, the one with the service of a package first."""
    beside_python = str(Path(sys.executable).parent)
    buf = shutil.which("buf", path=os.pathsep.join([beside_python, os.environ.get("PATH", "")]))
    if buf is None:
        raise SystemExit("buf is missing: install the dependency group `dev`")
    command = [buf, "build", "--as-file-descriptor-set", "-o", "-#format=binpb"]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    files = FileDescriptorSet.FromString(built.stdout).file
    return [
        Source(
            file=file,
            comments={
                tuple(place.path): place.leading_comments or "\n".join(place.leading_detached_comments)
                for place in file.source_code_info.location
            },
        )
        for file in sorted(files, key=lambda file: (file.name not in _FIRST, file.name))
        if file.package.startswith("rerankd.")
    ]


def api(sources: list[Source], package: str, title: str, introduction: str) -> str:
    """The page of one package."""
    found = [source for source in sources if source.file.package == package]
    known = {name for source in found for name in _names(source.file)}
    lines = [f"# {title}", "", *introduction.splitlines(), "", *_paragraphs(_about(found[0]))]
    for source in found:
        lines += _services(source, known)
    for source in found:
        lines += _types(source, known)
    return "\n".join(lines)


def _about(source: Source) -> str:
    return source.comments.get((_PACKAGE,), "")


def _names(file: FileDescriptorProto) -> Iterator[str]:
    def inside(message: DescriptorProto, name: str) -> Iterator[str]:
        yield name
        yield from (f"{name}.{enum.name}" for enum in message.enum_type)
        for nested in message.nested_type:
            yield from inside(nested, f"{name}.{nested.name}")

    yield from (f".{file.package}.{enum.name}" for enum in file.enum_type)
    for message in file.message_type:
        yield from inside(message, f".{file.package}.{message.name}")


def _services(source: Source, known: set[str]) -> list[str]:
    lines: list[str] = []
    for position, service in enumerate(source.file.service):
        here = (_SERVICES, position)
        lines += [f"## {service.name}", ""]
        lines += [f"`{source.file.package}.{service.name}`", "", *_paragraphs(source.comments[here])]
        for number, method in enumerate(service.method):
            lines += [f"### {service.name}.{method.name}", "", _signature(method, known), ""]
            lines += _paragraphs(source.comments[(*here, 2, number)])
    return lines


def _signature(method: MethodDescriptorProto, known: set[str]) -> str:
    asked = f"{'stream of ' if method.client_streaming else ''}{_type_link(method.input_type, known)}"
    given = f"{'stream of ' if method.server_streaming else ''}{_type_link(method.output_type, known)}"
    return f"Takes {asked}, gives {given}."


def _types(source: Source, known: set[str]) -> list[str]:
    lines: list[str] = []
    for position, message in enumerate(source.file.message_type):
        lines += _message(source, known, message, (_MESSAGES, position), message.name)
    for position, enum in enumerate(source.file.enum_type):
        lines += _enum(source, enum, (_ENUMS, position), enum.name)
    return lines


def _message(
    source: Source, known: set[str], message: DescriptorProto, path: TypePath, name: str
) -> list[str]:
    lines = [f"## {name}", "", *_paragraphs(source.comments.get(path, ""))]
    maps = {f".{source.file.package}.{name}.{each.name}": each for each in message.nested_type}
    for number, field in enumerate(message.field):
        comment = source.comments.get((*path, _FIELDS, number), "")
        told = [_kind(field, maps, known)]
        # A field that is optional in proto3 is in a oneof of its own, which nobody wrote.
        if field.HasField("oneof_index") and not field.proto3_optional:
            told.append(f"one of `{message.oneof_decl[field.oneof_index].name}`")
        lines += _item(field.name, told, comment)
    for number, enum in enumerate(message.enum_type):
        lines += _enum(source, enum, (*path, _NESTED_ENUMS, number), f"{name}.{enum.name}")
    for number, nested in enumerate(message.nested_type):
        # protoc makes a message of a map field.
        if not nested.options.map_entry:
            lines += _message(source, known, nested, (*path, _NESTED, number), f"{name}.{nested.name}")
    return lines


def _enum(source: Source, enum: EnumDescriptorProto, path: TypePath, name: str) -> list[str]:
    lines = [f"## {name}", "", *_paragraphs(source.comments.get(path, ""))]
    for number, value in enumerate(enum.value):
        lines += _item(value.name, [f"= {value.number}"], source.comments.get((*path, 2, number), ""))
    return lines


def _item(name: str, told: list[str], comment: str) -> list[str]:
    """One field or value: its name, what is known of it, then the comment as paragraphs of the item."""
    paragraphs = _paragraphs(comment)
    since = [found.group(1) for line in paragraphs if (found := _SINCE.match(line))]
    kept = [line for line in paragraphs if not _SINCE.match(line)]
    while len(kept) > 1 and not kept[-1] and not kept[-2]:
        kept.pop()
    head = ", ".join([*told, *(f"since {version}" for version in since)])
    return [f"- **`{name}`** ({head})", "", *indented(kept, 2)]


def _paragraphs(comment: str) -> list[str]:
    """Lines of a comment: prose is escaped, what is indented as code stays as it is."""
    lines = [line.removeprefix(" ").rstrip() for line in comment.strip("\n").splitlines()]
    shown = [line if line.startswith("    ") else escaped(line) for line in lines]
    return [*shown, ""] if shown else []


def _kind(field: FieldDescriptorProto, maps: dict[str, DescriptorProto], known: set[str]) -> str:
    entry = maps.get(field.type_name)
    if entry is not None and entry.options.map_entry:
        key, value = (_scalar(each, known) for each in entry.field)
        return f"map of {key} to {value}"
    label = "repeated " if field.label == FieldDescriptorProto.LABEL_REPEATED else ""
    return f"{'optional ' if field.proto3_optional else label}{_scalar(field, known)}"


def _scalar(field: FieldDescriptorProto, known: set[str]) -> str:
    if field.type_name:
        return _type_link(field.type_name, known)
    return FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()


def _type_link(full_name: str, known: set[str]) -> str:
    if full_name not in known:
        return f"`{full_name.removeprefix('.')}`"
    # Packages are in lower case, types are not.
    short = ".".join(part for part in full_name.split(".") if part[:1].isupper())
    return f"[{short}](#{short.replace('.', '').lower()})"
