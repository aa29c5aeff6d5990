"""Write docs/api.md, the reference of the Python interface, from signatures and docstrings; --check compares."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import vault
from vault import errors
from vault.admin import Admin
from vault.aio import AsyncSession, AsyncVault
from vault.exports import Exports
from vault.rights import Holds, Request, Requests
from vault.subjects import Subjects

PAGE = Path(__file__).resolve().parents[1] / "docs" / "api.md"
WIDTH = 100
INTRO = """# Python interface

Made from signatures and docstrings by `python tools/api_reference.py`; a test holds that it is current. Everything in
`vault.__all__` is public; the other classes are reached through a session or a vault. Every argument after `*` is
given by name. What a call may raise is in [Errors](errors.md).
"""
# Chapter, what it says, classes.
CHAPTERS: tuple[tuple[str, str, tuple[type, ...]], ...] = (
    ("Opening a vault", "", (vault.Vault,)),
    ("Memories", "From `Vault.session`.", (vault.Session,)),
    (
        "Rights of a person",
        "Reached as `session.requests`, `session.holds`, `session.subjects` and `session.exports`.",
        (Requests, Request, Holds, Subjects, Exports),
    ),
    ("Running a vault", "From `Vault.admin`.", (Admin,)),
    (
        "Asyncio",
        "The same methods, to be awaited, in worker threads: a cancelled `await` does not stop the call.",
        (AsyncVault, AsyncSession),
    ),
)


def public(kind: type) -> Iterator[tuple[str, Any]]:
    """Methods and properties of a class, in the order of the source."""
    for name, member in vars(kind).items():
        if name.startswith("_"):
            continue
        if isinstance(member, classmethod | staticmethod):
            yield name, getattr(kind, name)
        elif callable(member) or isinstance(member, property):
            yield name, member


def doc(found: object) -> str:
    """A docstring with its paragraphs, ready for a page."""
    return inspect.cleandoc(getattr(found, "__doc__", None) or "").strip()


def text(annotation: object) -> str:
    if annotation is inspect.Signature.empty:
        return ""
    said = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
    return said.strip("'\"").replace("'", '"')


def shown(default: object) -> str:
    return json.dumps(default) if isinstance(default, str) else repr(default)


def parameter(one: inspect.Parameter) -> str:
    star = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}.get(one.kind, "")
    kind = f": {text(one.annotation)}" if text(one.annotation) else ""
    default = (
        "" if one.default is inspect.Parameter.empty else f"{' = ' if kind else '='}{shown(one.default)}"
    )
    return f"{star}{one.name}{kind}{default}"


def signature(name: str, call: Callable[..., Any], prefix: str = "") -> str:
    """A call as it is written, on one line or one argument a line."""
    found = inspect.signature(call)
    parts, named = [], False
    for one in found.parameters.values():
        if one.name == "self":
            continue
        if one.kind is inspect.Parameter.KEYWORD_ONLY and not named:
            parts.append("*")
        named = named or one.kind in (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_POSITIONAL)
        parts.append(parameter(one))
    result = f" -> {text(found.return_annotation)}" if text(found.return_annotation) else ""
    line = f"{prefix}{name}({', '.join(parts)}){result}"
    if len(line) <= WIDTH:
        return line
    return "\n".join(
        [f"{prefix}{name}(", *(f"    {part}," if part != "*" else "    *," for part in parts), f"){result}"]
    )


def imported(module: ModuleType) -> dict[str, str]:
    """Name to module, of everything a module imports anywhere."""
    tree = ast.parse(inspect.getsource(module))
    return {
        alias.asname or alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }


def records(kinds: list[type]) -> list[type]:
    """The dataclasses of the package that signatures answer with, and those in their fields."""
    found: dict[str, type] = {}

    def look(module: ModuleType, annotation: str) -> None:
        known = imported(module)
        for name in re.findall(r"\b[A-Z]\w+\b", annotation):
            home = sys.modules[module.__name__] if name in vars(module) else None
            if home is None and known.get(name, "").startswith("vault."):
                home = importlib.import_module(known[name])
            kind = getattr(home, name, None)
            if not (inspect.isclass(kind) and dataclasses.is_dataclass(kind)) or name in found:
                continue
            found[name] = kind
            for one in dataclasses.fields(kind):
                look(sys.modules[kind.__module__], str(one.type))

    for kind in kinds:
        for _, member in public(kind):
            if not isinstance(member, property):
                look(sys.modules[kind.__module__], text(inspect.signature(member).return_annotation))
    return [found[name] for name in sorted(found)]


def described(kind: type) -> Iterator[str]:
    yield f"### `{kind.__name__}`\n"
    yield doc(kind) + "\n"
    if kind.__name__.startswith("Async"):
        names = sorted(name for name, _ in public(kind))
        yield "Has " + ", ".join(f"`{name}`" for name in names) + ".\n"
        return
    for name, member in public(kind):
        yield f"#### `{kind.__name__}.{name}`\n"
        if not isinstance(member, property):
            yield f"```py\n{signature(f'{kind.__name__}.{name}', member)}\n```\n"
        yield doc(member) + "\n"


def page() -> str:
    """The whole page."""
    parts = [INTRO]
    kinds: list[type] = []
    for chapter, said, members in CHAPTERS:
        parts.append(f"## {chapter}\n")
        parts += [said + "\n"] if said else []
        for kind in members:
            parts += described(kind)
            kinds.append(kind)
    parts.append("## Records\n")
    parts.append("What is given and answered.\n")
    shown = {kind.__name__: kind for kind in records(kinds)}
    shown |= {name: kind for name in vault.__all__ if dataclasses.is_dataclass(kind := getattr(vault, name))}
    for name in sorted(shown):
        parts.append(f"### `{name}`\n")
        parts.append(doc(shown[name]) + "\n")
        lines = [f"{one.name}: {text(one.type)}" for one in dataclasses.fields(shown[name])]
        parts.append("```py\n" + "\n".join(lines) + "\n```\n")
    parts.append("### `Message`\n")
    parts.append(doc(vault.Message) + " A mapping with `role`, `content` and, if there is one, `name`.\n")
    parts.append("## Errors\n")
    parts.append(doc(errors.VaultError) + " [What to do about each](errors.md).\n")
    return "\n".join(parts).rstrip() + "\n"


def main() -> int:
    wanted = page()
    if "--check" in sys.argv[1:]:
        current = PAGE.is_file() and PAGE.read_text(encoding="utf-8") == wanted
        if not current:
            print("docs/api.md is out of date: run python tools/api_reference.py")
        return int(not current)
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
